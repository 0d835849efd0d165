#include "server/apiserver/present.h"

#include "api/protobuf.h"
#include "api/versions.h"
#include "base/check.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/respond.h"

namespace orch::apiserver {
namespace {

// A stored object in the version of `resource`: the bytes as they are, or those of a view.
struct Row {
  std::shared_ptr<const std::string> made;
  std::string_view bytes;
};
Row row_of(const api::Resource& resource, std::string_view bytes) {
  if (resource.storage == nullptr) return {nullptr, bytes};
  auto made = std::make_shared<const std::string>(
      api::to_json(api::from_stored(resource, decode_stored(bytes))));
  const std::string_view text = *made;
  return {std::move(made), text};
}

std::string render_table(const api::Resource& resource, const api::Value& object,
                         std::string_view bytes, const Presentation& form, WallTime now,
                         bool with_columns) {
  const api::Value metadata =
      api::Value::object({{"resourceVersion", object.at("metadata.resourceVersion")}});
  const std::string& version = form.media.api_version;
  const Row row = row_of(resource, bytes);
  return api::render_table_head(resource.stored(), version, metadata, with_columns) +
         api::render_table_row(resource.stored(), object, row.bytes, form.include, version, now) +
         "]}";
}

std::string list_head(std::string_view kind, std::string_view api_version,
                      const api::Value& metadata) {
  std::string head = "{\"kind\":";
  api::append_json_string(&head, kind);
  head += ",\"apiVersion\":";
  api::append_json_string(&head, api_version);
  head += ",\"metadata\":";
  api::append_json(&head, metadata);
  return head + ",\"items\":[";
}

// Head, records, tail; the records are not copied. The list's kind says that of its items.
http::Body gather(const api::Resource& resource, std::string head,
                  const std::vector<store::RecordPtr>& records) {
  // Of what was written by this server all objects of a kind begin alike.
  const std::string type =
      "{\"kind\":\"" + resource.kind + "\",\"apiVersion\":\"" + resource.api_version() + "\",";
  http::Body body(std::move(head));
  bool first = true;
  for (const store::RecordPtr& record : records) {
    Row row = row_of(resource, record->bytes);
    const bool typed = row.bytes.starts_with(type);
    if (typed) row.bytes.remove_prefix(type.size());
    if (typed || !first) body.append_shared(nullptr, first ? "{" : typed ? ",{" : ",");
    first = false;
    if (row.made) {
      body.append_shared(row.made, row.bytes);
    } else {
      body.append_shared(record, row.bytes);
    }
  }
  body.append_shared(nullptr, "]}");
  return body;
}

const api::Type& partial_type() {
  const api::Type* const type = api::Schema::builtin().find_type("meta/v1.PartialObjectMetadata");
  ORCH_CHECK(type != nullptr);
  return *type;
}

// The metadata alone needs no making: it is the only field that the message has.
std::string protobuf_object(const api::Resource& resource, api::Value object, const Media& media) {
  if (media.form == Media::Form::object) return api::encode_protobuf(*resource.type, object);
  object.set("kind", "PartialObjectMetadata");
  object.set("apiVersion", media.api_version);
  return api::encode_protobuf(partial_type(), object);
}

// Every item is a piece of its own, so that a large list is never copied whole.
http::Body protobuf_list(const api::Resource& resource, const api::Value& metadata,
                         const std::vector<store::RecordPtr>& records, const Media& media) {
  const bool whole = media.form == Media::Form::object;
  const api::Type& type = whole ? *resource.type : partial_type();
  std::vector<std::string> items;
  items.reserve(records.size());
  size_t bytes = 0;
  for (const store::RecordPtr& record : records) {
    items.push_back(
        api::protobuf_list_item(type, api::from_stored(resource, decode_stored(record->bytes))));
    bytes += items.back().size();
  }
  http::Body body(api::protobuf_list_head(
      api::Schema::builtin(), whole ? resource.api_version() : media.api_version,
      whole ? resource.list_kind : "PartialObjectMetadataList", metadata, bytes));
  for (std::string& item : items) body.append(std::move(item));
  body.append_shared(nullptr, api::protobuf_list_tail());
  return body;
}

// Of Tables and metadata alone.
std::string json_list(const api::Resource& resource, const api::Value& metadata,
                      const std::vector<store::RecordPtr>& records, const Presentation& form,
                      WallTime now) {
  const std::string& version = form.media.api_version;
  const bool table = form.media.form == Media::Form::table;
  std::string text = table ? api::render_table_head(resource.stored(), version, metadata, true)
                           : list_head("PartialObjectMetadataList", version, metadata);
  const char* separator = "";
  for (const store::RecordPtr& record : records) {
    const api::Value object = decode_stored(record->bytes);
    text += separator;
    text += table ? api::render_table_row(resource.stored(), object,
                                          row_of(resource, record->bytes).bytes, form.include,
                                          version, now)
                  : api::render_partial_metadata(object, version);
    separator = ",";
  }
  return text + "]}";
}

}  // namespace

http::Body present_object(const api::Resource& resource, std::shared_ptr<const void> owner,
                          std::string_view bytes, const Presentation& form, WallTime now,
                          bool with_columns) {
  http::Body body;
  if (form.media.plain()) {
    const Row row = row_of(resource, bytes);
    if (row.made) owner = row.made;
    body.append_shared(std::move(owner), row.bytes);
    return body;
  }
  api::Value object = decode_stored(bytes);
  if (form.media.form != Media::Form::table) {
    object = api::from_stored(resource, std::move(object));
  }
  std::string text;
  if (form.media.encoding == Media::Encoding::protobuf) {
    body.append(protobuf_object(resource, std::move(object), form.media));
    return body;
  }
  switch (form.media.form) {
    case Media::Form::object:
      text = form.media.encoding == Media::Encoding::yaml ? api::to_yaml(object)
                                                          : api::to_json_pretty(object);
      body.append(std::move(text));
      return body;
    case Media::Form::table:
      text = render_table(resource, object, bytes, form, now, with_columns);
      break;
    case Media::Form::partial:
      text = api::render_partial_metadata(object, form.media.api_version);
      break;
  }
  if (form.media.encoding == Media::Encoding::yaml) text = api::to_yaml(decode_stored(text));
  body.append(std::move(text));
  return body;
}

http::Response present_response(int code, const api::Resource& resource,
                                std::shared_ptr<const void> owner, std::string_view bytes,
                                const Presentation& form, WallTime now) {
  http::Response response = json_response(code, "");
  response.headers.set("Content-Type", form.media.content_type());
  response.body = present_object(resource, std::move(owner), bytes, form, now);
  return response;
}

http::Response present_list(const api::Resource& resource, const api::Value& metadata,
                            const std::vector<store::RecordPtr>& records, const Presentation& form,
                            WallTime now) {
  const Media& media = form.media;
  http::Response response = json_response(200, "");
  response.headers.set("Content-Type", media.content_type());
  if (media.encoding == Media::Encoding::protobuf) {
    response.body = protobuf_list(resource, metadata, records, media);
    return response;
  }
  response.body =
      media.form == Media::Form::object
          ? gather(resource, list_head(resource.list_kind, resource.api_version(), metadata),
                   records)
          : http::Body(json_list(resource, metadata, records, form, now));
  if (media.encoding == Media::Encoding::yaml || media.pretty) {
    response.body = present_value(200, decode_stored(response.body.flatten()), media).body;
  }
  return response;
}

http::Response present_value(int code, const api::Value& value, const Media& media) {
  http::Response response = json_response(code, "");
  if (media.encoding == Media::Encoding::protobuf) {
    const api::Type* const type = api::Schema::builtin().find_document_type(
        value["apiVersion"].as_string(), value["kind"].as_string());
    if (type == nullptr || !api::has_protobuf(*type)) return value_response(code, value);
    response.body = http::Body(api::encode_protobuf(*type, value));
  } else {
    response.body = http::Body(media.encoding == Media::Encoding::yaml ? api::to_yaml(value)
                               : media.pretty                          ? api::to_json_pretty(value)
                                                                       : api::to_json(value));
  }
  response.headers.set("Content-Type", media.content_type());
  return response;
}

http::Response present_status(const Status& status, const http::Request& request) {
  http::Response response = status_response(status);
  const auto media = negotiate(request.headers.get("Accept"), true);
  if (!media || media->encoding != Media::Encoding::protobuf) return response;
  if (response.headers.get("Content-Type") != Media{}.content_type()) return response;  // Text.
  http::Response encoded = present_value(status.code, status_value(status), *media);
  response.headers.set("Content-Type", media->content_type());
  response.body = std::move(encoded.body);
  return response;
}

}  // namespace orch::apiserver
