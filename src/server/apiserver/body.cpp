#include "server/apiserver/body.h"

#include "api/protobuf.h"
#include "base/strings.h"
#include "server/apiserver/body_errors.h"

namespace orch::apiserver {
namespace {

std::string media_type(const http::Request& request) {
  const std::string_view header = request.headers.get("Content-Type");
  return to_lower(trim(header.substr(0, header.find(';'))));
}

Result<ParsedBody> parse(std::string_view text, bool yaml) {
  ParsedBody body;
  api::ParseOptions options;
  options.duplicates = &body.duplicates;
  body.value = ORCH_TRY(yaml ? api::parse_yaml(text, options) : api::parse_json(text, options));
  return body;
}

}  // namespace

Result<ParsedBody> parse_body(const api::Schema& schema, const http::Request& request) {
  if (request.body.empty()) return ParsedBody{};
  const std::string type = media_type(request);
  if (type.empty() || type == "application/json") return parse(request.body, false);
  if (type == "application/yaml") return parse(request.body, true);
  if (type == api::kProtobufType) {
    api::Value object = ORCH_TRY(api::decode_protobuf(schema, request.body));
    return ParsedBody{std::move(object), {}};
  }
  return unsupported_media_type(
      "the body of the request was in an unknown format - accepted media types include: "
      "application/json, application/yaml, application/vnd.kubernetes.protobuf");
}

Result<ParsedBody> parse_object(const api::Schema& schema, const http::Request& request,
                                std::string_view kind) {
  auto body = parse_body(schema, request);
  if (body && body->value.is_object()) return body;
  if (!body && body.status().code != 400) return body;
  const std::string type = media_type(request);
  const bool json = type.empty() || type == "application/json";
  std::string why;
  if (request.body.empty()) {
    why = "unexpected end of JSON input";
  } else if (!body) {
    why = body.status().message;
  } else if (body->value.is_null()) {
    body->value = api::Value::object();  // Says nothing of itself: what is missing is told later.
    return body;
  } else {
    const bool number = body->value.is_number();
    why =
        "json: cannot unmarshal " + std::string(number ? "number" : body->value.type_name()) +
        " into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; "
        "Kind string \"json:\\\"kind,omitempty\\\"\" }";
  }
  if (json || body) why = "couldn't get version/kind; json parse error: " + why;
  return unrecognized(kind, bad_request(why), request.body);
}

Result<ParsedPatch> parse_patch(const http::Request& request) {
  const std::string type = media_type(request);
  ParsedPatch patch;
  if (type == "application/json-patch+json") {
    patch.kind = PatchKind::json;
  } else if (type == "application/merge-patch+json") {
    patch.kind = PatchKind::merge;
  } else if (type == "application/strategic-merge-patch+json") {
    patch.kind = PatchKind::strategic;
  } else if (type == "application/apply-patch+yaml") {
    patch.kind = PatchKind::apply;
  } else {
    return unsupported_media_type("415: Unsupported Media Type");
  }
  auto body = parse(request.body, patch.kind == PatchKind::apply);
  if (body) {
    patch.body = *std::move(body);
    return patch;
  }
  Status why = std::move(body).status();
  if (why.code != 400) return why;
  if (patch.kind == PatchKind::json || patch.kind == PatchKind::merge) {
    return bad_request("error decoding patch: " + why.message);
  }
  if (patch.kind == PatchKind::apply) return bad_request("error decoding YAML: " + why.message);
  return why;
}

}  // namespace orch::apiserver
