#include "server/apiserver/bootstrap.h"

#include "api/resources.h"

namespace orch::apiserver {
namespace {

using api::Value;

Value metadata(std::string_view ns, std::string_view name, Value labels) {
  Value value = Value::object({{"name", name}});
  if (!ns.empty()) value.set("namespace", ns);
  if (!labels.empty()) value.set("labels", std::move(labels));
  return value;
}

// Creates the object where there is none. Another server may be about to do the same.
Result<void> ensure(client::Api& api, const api::Resource& resource, Value wanted) {
  wanted.set("kind", resource.kind);
  wanted.set("apiVersion", resource.api_version());
  const client::ObjectKey key = client::key_of(wanted);
  const auto stored = api.get(resource, key);
  if (stored) return {};
  if (!stored.status().not_found()) return stored.status();
  const auto made = api.create(resource, wanted);
  if (made || api.get(resource, key)) return {};
  return made.status();
}

Value kubernetes_service(const ServerPlace& place) {
  const Value port = Value::object(
      {{"name", "https"}, {"port", 443}, {"protocol", "TCP"}, {"targetPort", int{place.port}}});
  return Value::object({{"metadata", metadata("default", "kubernetes",
                                              Value::object({{"component", "apiserver"},
                                                             {"provider", "kubernetes"}}))},
                        {"spec", Value::object({{"type", "ClusterIP"},
                                                {"clusterIP", place.service_address.text()},
                                                {"ports", Value::array({port})},
                                                {"sessionAffinity", "None"}})}});
}

Value priority_class(const char* name, int64_t priority, const char* description) {
  return Value::object(
      {{"metadata", metadata("", name, {})}, {"value", priority}, {"description", description}});
}

Result<void> ensure_priority_classes(client::Api& api) {
  const api::Resource& resource =
      *api::Schema::builtin().find("scheduling.k8s.io", "v1", "priorityclasses");
  ORCH_TRY(ensure(api, resource,
                  priority_class("system-node-critical", 2'000'001'000,
                                 "For what a node can't do without and nothing may displace.")));
  return ensure(
      api, resource,
      priority_class("system-cluster-critical", 2'000'000'000,
                     "For what a cluster can't do without; it may move to another node."));
}

}  // namespace

Result<void> run_bootstrap(client::Api& api, const ServerPlace& place) {
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    ORCH_TRY(ensure(api, api::resource::namespaces(),
                    Value::object({{"metadata", metadata("", name, {})}})));
  }
  ORCH_TRY(ensure_priority_classes(api));
  return ensure(api, api::resource::services(), kubernetes_service(place));
}

}  // namespace orch::apiserver
