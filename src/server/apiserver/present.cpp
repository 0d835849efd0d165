#include "server/apiserver/present.h"

#include "server/apiserver/encode.h"
#include "server/apiserver/respond.h"

namespace orch::apiserver {
namespace {

std::string render_table(const api::Resource& resource, const api::Value& object,
                         std::string_view bytes, const Presentation& form, WallTime now,
                         bool with_columns) {
  const api::Value metadata =
      api::Value::object({{"resourceVersion", object.at("metadata.resourceVersion")}});
  const std::string& version = form.media.api_version;
  return api::render_table_head(resource, version, metadata, with_columns) +
         api::render_table_row(resource, object, bytes, form.include, version, now) + "]}";
}

}  // namespace

http::Body present_object(const api::Resource& resource, std::shared_ptr<const void> owner,
                          std::string_view bytes, const Presentation& form, WallTime now,
                          bool with_columns) {
  http::Body body;
  if (form.media.plain()) {
    body.append_shared(std::move(owner), bytes);
    return body;
  }
  const api::Value object = decode_stored(bytes);
  std::string text;
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

http::Response present_value(int code, const api::Value& value, const Media& media) {
  http::Response response = json_response(code, "");
  response.headers.set("Content-Type", media.content_type());
  response.body = http::Body(media.encoding == Media::Encoding::yaml ? api::to_yaml(value)
                             : media.pretty                          ? api::to_json_pretty(value)
                                                                     : api::to_json(value));
  return response;
}

}  // namespace orch::apiserver
