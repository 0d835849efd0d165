#include "server/apiserver/body.h"

#include "api/protobuf.h"
#include "base/strings.h"

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
    return ParsedBody{ORCH_TRY(api::decode_protobuf(schema, request.body)), {}};
  }
  return unsupported_media_type(
      "the body of the request was in an unknown format - accepted media types include: "
      "application/json, application/yaml, application/vnd.kubernetes.protobuf");
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
    return unsupported_media_type(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, "
        "application/strategic-merge-patch+json, application/apply-patch+yaml");
  }
  patch.body = ORCH_TRY(parse(request.body, patch.kind == PatchKind::apply));
  return patch;
}

}  // namespace orch::apiserver
