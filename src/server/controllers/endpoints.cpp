// See endpoints.h. Workers of the LoopRunner call it; selectors_ is the cache thread's.
#include "server/controllers/endpoints.h"

#include <map>

#include "api/resources.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;
namespace resource = api::resource;

namespace {

Value render_address(const Backend& backend) {
  Value address = Value::object({{"ip", backend.ip}});
  if (!backend.hostname.empty()) address.set("hostname", backend.hostname);
  if (!backend.node.empty()) address.set("nodeName", backend.node);
  address.set("targetRef", backend.target);
  return address;
}

Value render_endpoint_ports(const std::vector<BackendPort>& ports) {
  Value out = Value::array();
  for (const BackendPort& port : ports) {
    Value item = Value::object();
    if (!port.name.empty()) item.set("name", port.name);
    item.set("port", port.port);
    item.set("protocol", port.protocol);
    if (!port.app_protocol.empty()) item.set("appProtocol", port.app_protocol);
    out.push_back(std::move(item));
  }
  return out;
}

}  // namespace

Value plan_endpoint_subsets(const Value& service, const std::vector<Backend>& backends) {
  const bool publish_all = service["spec"]["publishNotReadyAddresses"].as_bool();
  struct Group {
    Value ready, not_ready;
  };
  std::map<std::vector<BackendPort>, Group> groups;
  size_t count = 0;
  for (const Backend& backend : backends) {
    if (backend.terminating && !publish_all) continue;
    // A pod that serves none of the ports is no endpoint; of a service without ports every pod is.
    if (backend.ports.empty() && !service["spec"]["ports"].empty()) continue;
    if (++count > kMaxEndpointAddresses) break;
    Group& group = groups[backend.ports];
    (backend.ready ? group.ready : group.not_ready).push_back(render_address(backend));
  }
  Value subsets = Value::array();
  for (auto& [ports, group] : groups) {
    Value subset = Value::object();
    if (!group.ready.empty()) subset.set("addresses", std::move(group.ready));
    if (!group.not_ready.empty()) subset.set("notReadyAddresses", std::move(group.not_ready));
    if (!ports.empty()) subset.set("ports", render_endpoint_ports(ports));
    subsets.push_back(std::move(subset));
  }
  return subsets;
}

std::vector<client::Watch> EndpointsController::watches() {
  return {{&resource::services(),
           [this](const auto& changed) { return selectors_.on_service(changed); }},
          {&resource::pods(), [this](const auto& changed) { return selectors_.on_pod(changed); }},
          client::watch_own(resource::endpoints())};
}

Result<Requeue> EndpointsController::reconcile(const ObjectKey& key) {
  const auto service = cache_.get(resource::services(), key);
  const auto present = cache_.get(resource::endpoints(), key);
  if (!service) {
    // Endpoints that somebody else made may come before their service: only ours go.
    if (!present || !(*present)["metadata"]["annotations"].has(kChangeTimeAnnotation))
      return Requeue::never();
    const auto removed = api_.remove(resource::endpoints(), key);
    if (!removed.ok() && !removed.status().not_found()) return removed.status();
    return Requeue::never();
  }
  if (!has_managed_endpoints(*service) || is_deleting(*service)) return Requeue::never();

  const auto selector = api::LabelSelector::from_map((*service)["spec"]["selector"]);
  const auto pods = cache_.list(resource::pods(), {key.ns, "", selector.to_string(), "", ""});
  const Value subsets = plan_endpoint_subsets(*service, plan_backends(*service, pods));
  const Value labels = inherited_labels(*service);
  const Value& have = present ? (*present)["metadata"]["labels"] : labels;
  const bool same_labels = have == labels || (have.empty() && labels.empty());
  const bool same_subsets = present && ((*present)["subsets"] == subsets ||
                                        ((*present)["subsets"].empty() && subsets.empty()));
  if (present && same_labels && same_subsets) return Requeue::never();

  Value next =
      present ? *present
              : Value::object(
                    {{"apiVersion", "v1"},
                     {"kind", "Endpoints"},
                     {"metadata", Value::object({{"name", key.name}, {"namespace", key.ns}})}});
  next["metadata"].set("labels", labels);
  next["metadata"]["annotations"].set(kChangeTimeAnnotation, format_time(clock_.now()));
  next.set("subsets", subsets);
  if (present)
    ORCH_TRY(api_.update(resource::endpoints(), next));
  else
    ORCH_TRY(api_.create(resource::endpoints(), next));
  return Requeue::never();
}

}  // namespace orch::controllers
