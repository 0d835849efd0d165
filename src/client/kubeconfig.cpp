// See kubeconfig.h. Follows: Kubernetes "Organizing Cluster Access Using kubeconfig Files".
#include "client/kubeconfig.h"

#include "api/json.h"
#include "base/strings.h"

namespace orch::client {

using api::Value;

namespace {

// The entry of a named list ("clusters") that is called `name`; its content stands under `content`.
Result<Value> find_named(const Value& config, const char* list, const char* content,
                         const std::string& name) {
  for (const Value& entry : config[list].items())
    if (entry["name"].as_string() == name) return entry[content];
  return bad_request("kubeconfig: no entry \"" + name + "\" in " + list);
}

// A field that stands inline as base64 ("x-data") or names a file ("x").
Result<std::string> read_data(const Value& object, const std::string& name,
                              Result<std::string> (*read_file)(const std::string&)) {
  const std::string& inlined = object[name + "-data"].as_string();
  if (!inlined.empty()) {
    auto decoded = base64_decode(inlined);
    if (!decoded) return bad_request("kubeconfig: " + name + "-data is not base64");
    return *std::move(decoded);
  }
  const std::string& path = object[name].as_string();
  return path.empty() ? Result<std::string>(std::string()) : read_file(path);
}

}  // namespace

std::string render_kubeconfig(const ClusterAccess& access, std::string_view name) {
  Value cluster = Value::object({{"server", access.url}});
  if (!access.ca.empty()) cluster.set("certificate-authority-data", base64_encode(access.ca));
  if (!access.server_name.empty()) cluster.set("tls-server-name", access.server_name);
  if (access.insecure_skip_verify) cluster.set("insecure-skip-tls-verify", true);
  Value user = Value::object();
  if (!access.certificate.empty()) {
    user.set("client-certificate-data", base64_encode(access.certificate));
    user.set("client-key-data", base64_encode(access.private_key));
  }
  if (!access.token.empty()) user.set("token", access.token);
  Value context = Value::object({{"cluster", name}, {"user", name}});
  if (!access.ns.empty()) context.set("namespace", access.ns);
  const auto named = [&](const char* content, Value value) {
    return Value::array({Value::object({{"name", name}, {content, std::move(value)}})});
  };
  return api::to_yaml(Value::object({{"apiVersion", "v1"},
                                     {"kind", "Config"},
                                     {"clusters", named("cluster", std::move(cluster))},
                                     {"users", named("user", std::move(user))},
                                     {"contexts", named("context", std::move(context))},
                                     {"current-context", name}}));
}

Result<ClusterAccess> parse_kubeconfig(std::string_view yaml,
                                       Result<std::string> (*read_file)(const std::string& path)) {
  api::ParseOptions limits;
  limits.max_bytes = kMaxKubeconfigBytes;
  const Value config = ORCH_TRY(api::parse_yaml(yaml, limits));
  const Value context =
      ORCH_TRY(find_named(config, "contexts", "context", config["current-context"].as_string()));
  const Value cluster =
      ORCH_TRY(find_named(config, "clusters", "cluster", context["cluster"].as_string()));
  const Value user =
      context["user"].empty()
          ? Value::object()
          : ORCH_TRY(find_named(config, "users", "user", context["user"].as_string()));
  ClusterAccess access;
  access.url = cluster["server"].as_string();
  access.ca = ORCH_TRY(read_data(cluster, "certificate-authority", read_file));
  access.server_name = cluster["tls-server-name"].as_string();
  access.insecure_skip_verify = cluster["insecure-skip-tls-verify"].as_bool();
  access.certificate = ORCH_TRY(read_data(user, "client-certificate", read_file));
  access.private_key = ORCH_TRY(read_data(user, "client-key", read_file));
  if (access.certificate.empty() != access.private_key.empty())
    return bad_request("kubeconfig: client-certificate and client-key go together");
  access.token = user["token"].as_string();
  const std::string& token_file = user["tokenFile"].as_string();
  if (access.token.empty() && !token_file.empty())
    access.token = trim(ORCH_TRY(read_file(token_file)));
  access.ns = context["namespace"].as_string();
  if (access.url.empty()) return bad_request("kubeconfig: the current cluster has no server");
  return access;
}

}  // namespace orch::client
