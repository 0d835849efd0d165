#include "server/apiserver/documents.h"

#include "api/discovery.h"
#include "base/strings.h"
#include "server/apiserver/openapi_documents.h"
#include "server/apiserver/respond.h"

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
  return value_response(200, api::Value::object({{"major", "1"},
                                                 {"minor", "32"},
                                                 {"gitVersion", "v1.32.4+orch"},
                                                 {"gitCommit", ""},
                                                 {"gitTreeState", "clean"},
                                                 {"buildDate", "1970-01-01T00:00:00Z"},
                                                 {"goVersion", "none"},
                                                 {"compiler", "g++"},
                                                 {"platform", "linux/amd64"}}));
}

struct Check {
  std::string_view name;
  std::string failure;  // "": passed.
};

// A full disk makes the server not ready, for it takes no writes; it lives on, for a start anew
// would not help. After a disk that failed a start anew is just what helps.
std::vector<Check> checks_of(std::string_view endpoint, const ServerHealth& health) {
  std::vector<Check> checks{{"ping", ""}, {"etcd", ""}};
  const bool ready = endpoint != "livez";
  if (health.store == store::Health::failed) {
    checks[1].failure = "the disk failed: restart the server";
  } else if (health.store == store::Health::full && ready) {
    checks[1].failure = "no space left on disk: only reads are served";
  }
  if (endpoint == "readyz") checks.push_back({"start", health.ready ? "" : "starting up"});
  return checks;
}

// /readyz, /readyz/etcd, /readyz?verbose. The store stands where Kubernetes has etcd.
Result<http::Response> serve_health(const Target& target, const ServerHealth& health) {
  const auto parts = split(std::string_view(target.path).substr(1), '/');
  if (parts.size() > 2) return unknown_path();
  std::vector<Check> checks = checks_of(parts[0], health);
  if (parts.size() == 2) {
    std::erase_if(checks, [&](const Check& check) { return check.name != parts[1]; });
    if (checks.empty()) return unknown_path();
  }
  std::string text;
  bool passed = true;
  for (const Check& check : checks) {
    passed = passed && check.failure.empty();
    text += (check.failure.empty() ? "[+]" : "[-]") + std::string(check.name) +
            (check.failure.empty() ? " ok" : " failed: " + check.failure) + "\n";
  }
  if (!passed) return text_response(500, text + std::string(parts[0]) + " check failed\n");
  if (!target.query.has("verbose")) return text_response(200, "ok");
  return text_response(200, text + std::string(parts[0]) + " check passed\n");
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
                                      const Target& target, std::string_view server_address,
                                      const ServerHealth& health) {
  const std::string_view path = target.path;
  const auto parts = split(path.substr(1), '/');
  const std::string_view root = parts[0];
  const bool known = root == "livez" || root == "readyz" || root == "healthz" ||
                     root == "version" || root == "api" || root == "apis" || path == "/";
  if (!known) return unknown_path();
  if (request.method != "GET" && request.method != "HEAD") {
    return method_not_allowed("the server does not allow this method on the requested resource");
  }
  if (root == "livez" || root == "readyz" || root == "healthz") {
    return serve_health(target, health);
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
