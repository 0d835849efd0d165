#include "server/apiserver/bootstrap.h"

#include "api/resources.h"
#include "base/log.h"

namespace orch::apiserver {
namespace {

using api::Value;

Value metadata(std::string_view ns, std::string_view name, Value labels) {
  Value value = Value::object({{"name", name}});
  if (!ns.empty()) value.set("namespace", ns);
  if (!labels.empty()) value.set("labels", std::move(labels));
  return value;
}

// Creates the object, or writes it over the one that stands there and differs in `part`.
Result<void> ensure(client::Api& api, const api::Resource& resource, Value wanted,
                    std::string_view part) {
  wanted.set("kind", resource.kind);
  wanted.set("apiVersion", resource.api_version());
  auto stored = api.get(resource, client::key_of(wanted));
  if (!stored && !stored.status().not_found()) return std::move(stored).status();
  if (!stored) {
    ORCH_TRY(api.create(resource, wanted));
    return {};
  }
  if (part.empty()) return {};
  Value changed = *std::move(stored);
  changed.set(part, std::as_const(wanted)[part]);
  ORCH_TRY(api.update(resource, changed));
  return {};
}

Value https_port(uint16_t port) {
  return Value::object({{"name", "https"}, {"port", int{port}}, {"protocol", "TCP"}});
}

Value kubernetes_service(const ServerPlace& place) {
  Value port = https_port(443);
  port.set("targetPort", int{place.port});
  return Value::object({{"metadata", metadata("default", "kubernetes",
                                              Value::object({{"component", "apiserver"},
                                                             {"provider", "kubernetes"}}))},
                        {"spec", Value::object({{"type", "ClusterIP"},
                                                {"clusterIP", place.service_address.text()},
                                                {"ports", Value::array({port})},
                                                {"sessionAffinity", "None"}})}});
}

Value kubernetes_endpoints(const ServerPlace& place) {
  const Value address = Value::object({{"ip", place.address.text()}});
  return Value::object(
      {{"metadata", metadata("default", "kubernetes",
                             Value::object({{"endpointslice.kubernetes.io/skip-mirror", "true"}}))},
       {"subsets",
        Value::array({Value::object({{"addresses", Value::array({address})},
                                     {"ports", Value::array({https_port(place.port)})}})})}});
}

Value kubernetes_slice(const ServerPlace& place) {
  const Value endpoint = Value::object({{"addresses", Value::array({place.address.text()})},
                                        {"conditions", Value::object({{"ready", true}})}});
  return Value::object(
      {{"metadata", metadata("default", "kubernetes",
                             Value::object({{"kubernetes.io/service-name", "kubernetes"}}))},
       {"addressType", "IPv4"},
       {"endpoints", Value::array({endpoint})},
       {"ports", Value::array({https_port(place.port)})}});
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
                                 "For what a node can't do without and nothing may displace."),
                  ""));
  return ensure(api, resource,
                priority_class("system-cluster-critical", 2'000'000'000,
                               "For what a cluster can't do without; it may move to another node."),
                "");
}

}  // namespace

Result<void> run_bootstrap(client::Api& api, const ServerPlace& place) {
  for (const char* name : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    ORCH_TRY(ensure(api, api::resource::namespaces(),
                    Value::object({{"metadata", metadata("", name, {})}}), ""));
  }
  ORCH_TRY(ensure_priority_classes(api));
  ORCH_TRY(ensure(api, api::resource::services(), kubernetes_service(place), ""));
  if (place.address.is_loopback() || !place.address.is_set()) {
    log::warning("apiserver",
                 "no address that pods could reach is advertised: the Service "
                 "default/kubernetes has no endpoints");
    return {};
  }
  ORCH_TRY(ensure(api, api::resource::endpoints(), kubernetes_endpoints(place), "subsets"));
  ORCH_TRY(ensure(api, api::resource::endpoint_slices(), kubernetes_slice(place), "endpoints"));
  return ensure(api, api::resource::endpoint_slices(), kubernetes_slice(place), "ports");
}

}  // namespace orch::apiserver
