#include "server/apiserver/documents.h"

#include "api/discovery.h"
#include "base/strings.h"
#include "server/apiserver/openapi_documents.h"
#include "server/apiserver/respond.h"
#include "server/apiserver/version.h"

namespace orch::apiserver {
namespace {

constexpr std::string_view kAggregated = "as=APIGroupDiscoveryList";

Status unknown_path() {
  Status status = not_found("404 page not found");
  status.reason.clear();
  return status;
}

Result<http::Response> found(std::string json) {
  if (json.empty()) return unknown_path();
  return json_response(200, std::move(json));
}

http::Response version() {
  return value_response(200, api::Value::object({{"major", kMajorVersion},
                                                 {"minor", kMinorVersion},
                                                 {"gitVersion", kGitVersion},
                                                 {"gitCommit", ""},
                                                 {"gitTreeState", "clean"},
                                                 {"buildDate", "1970-01-01T00:00:00Z"},
                                                 {"goVersion", "none"},
                                                 {"compiler", "g++"},
                                                 {"platform", "linux/amd64"}}));
}

// The aggregated form, when the client puts it before the plain one.
Result<http::Response> aggregated(const api::Schema& schema, const http::Request& request,
                                  bool core) {
  const std::string_view accept = request.headers.get("Accept");
  const std::string version = accept.find("v=v2;") != std::string_view::npos ||
                                      accept.find("v=v2,") != std::string_view::npos
                                  ? "v2"
                                  : "v2beta1";
  std::string json = api::render_group_discovery_list(schema, core, version);
  const std::string etag = etag_of(json);
  auto response = json_response(200, std::move(json));
  response.headers.set("Content-Type", "application/json;g=apidiscovery.k8s.io;v=" + version +
                                           ";as=APIGroupDiscoveryList");
  response.headers.add("Vary", "Accept");
  not_modified(request, etag, &response);
  return response;
}

}  // namespace

Result<http::Response> serve_document(const api::Schema& schema, const http::Request& request,
                                      const Target& target, std::string_view server_address) {
  const std::string_view path = target.path;
  const auto parts = split(path.substr(1), '/');
  const std::string_view root = parts[0];
  const bool known = root == "version" || root == "api" || root == "apis" || path == "/";
  if (!known) return unknown_path();
  if (request.method != "GET" && request.method != "HEAD") {
    return method_not_allowed("the server does not allow this method on the requested resource");
  }
  if (path == "/version") return version();
  if (path == "/") {
    return value_response(
        200,
        api::Value::object({{"paths", api::Value::array({"/api", "/api/v1", "/apis", "/healthz",
                                                         "/livez", "/metrics", "/openapi/v2",
                                                         "/openapi/v3", "/readyz", "/version"})}}));
  }
  const std::string_view accept = request.headers.get("Accept");
  const bool wants_all = accept.find(kAggregated) != std::string_view::npos;
  if (path == "/api" && wants_all) return aggregated(schema, request, true);
  if (path == "/apis" && wants_all) return aggregated(schema, request, false);
  if (path == "/api") return found(api::render_api_versions(server_address));
  if (path == "/apis") return found(api::render_api_group_list(schema));
  if (root == "api" && parts.size() == 2) {
    return found(api::render_api_resource_list(schema, "", parts[1]));
  }
  if (root == "apis" && parts.size() == 2) return found(api::render_api_group(schema, parts[1]));
  if (root == "apis" && parts.size() == 3) {
    return found(api::render_api_resource_list(schema, parts[1], parts[2]));
  }
  return unknown_path();
}

}  // namespace orch::apiserver
