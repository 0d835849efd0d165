// See endpoint_slice.h. Workers of the LoopRunner call it; selectors_ is the cache thread's.
// Follows: KEP-0752 (EndpointSlice), KEP-1669/1672 (serving and terminating conditions).
#include "server/controllers/endpoint_slice.h"

#include <algorithm>
#include <map>

#include "api/resources.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;
namespace resource = api::resource;

namespace {

Value render_endpoint(const Backend& backend) {
  Value endpoint =
      Value::object({{"addresses", Value::array({backend.ip})},
                     {"conditions", Value::object({{"ready", backend.ready},
                                                   {"serving", backend.serving},
                                                   {"terminating", backend.terminating}})}});
  if (!backend.hostname.empty()) endpoint.set("hostname", backend.hostname);
  endpoint.set("targetRef", backend.target);
  if (!backend.node.empty()) endpoint.set("nodeName", backend.node);
  return endpoint;
}

Value render_ports(const std::vector<BackendPort>& ports) {
  Value out = Value::array();
  for (const BackendPort& port : ports) {
    Value item =
        Value::object({{"name", port.name}, {"protocol", port.protocol}, {"port", port.port}});
    if (!port.app_protocol.empty()) item.set("appProtocol", port.app_protocol);
    out.push_back(std::move(item));
  }
  return out;
}

// The ports of a slice, however its empty fields are written.
std::vector<BackendPort> parse_ports(const Value& ports) {
  std::vector<BackendPort> out;
  for (const Value& port : ports.items())
    out.push_back({port["name"].as_string(), port["protocol"].as_string(),
                   port["appProtocol"].as_string(), port["port"].as_int()});
  return out;
}

Value render_labels(const Value& service) {
  Value labels = inherited_labels(service);
  labels.set(kServiceNameLabel, name_of(service));
  labels.set(kSliceManagedByLabel, kSliceController);
  return labels;
}

Value new_slice(const Value& service) {
  return Value::object(
      {{"apiVersion", "discovery.k8s.io/v1"},
       {"kind", "EndpointSlice"},
       {"metadata",
        Value::object({{"generateName", name_of(service) + "-"},
                       {"namespace", namespace_of(service)},
                       {"ownerReferences", Value::array({controller_reference(service)})}})},
       {"addressType", "IPv4"}});
}

}  // namespace

SlicePlan plan_slices(const Value& service, const std::vector<Backend>& backends,
                      const std::vector<Value>& present) {
  std::map<std::vector<BackendPort>, std::vector<const Backend*>> by_ports;
  for (const Backend& backend : backends)
    if (!backend.ports.empty() || service["spec"]["ports"].empty())
      by_ports[backend.ports].push_back(&backend);
  if (by_ports.empty()) by_ports[{}];  // A service without pods has one empty slice.

  SlicePlan plan;
  const Value labels = render_labels(service);
  std::vector<const Value*> unused;
  for (const Value& slice : present) unused.push_back(&slice);
  // Slices of the same ports first, so that a slice keeps its pods from one plan to the next.
  const auto take = [&](const std::vector<BackendPort>& ports) -> const Value* {
    auto it = std::find_if(unused.begin(), unused.end(), [&](const Value* slice) {
      return parse_ports((*slice)["ports"]) == ports;
    });
    if (it == unused.end()) return nullptr;
    const Value* slice = *it;
    unused.erase(it);
    return slice;
  };
  for (const auto& [ports, members] : by_ports) {
    const Value rendered_ports = render_ports(ports);
    for (size_t begin = 0; begin == 0 || begin < members.size(); begin += kMaxEndpointsPerSlice) {
      const Value* before = take(ports);
      Value slice = before != nullptr ? *before : new_slice(service);
      slice["metadata"].set("labels", labels);
      Value endpoints = Value::array();
      const size_t end = std::min(begin + kMaxEndpointsPerSlice, members.size());
      for (size_t i = begin; i < end; ++i) endpoints.push_back(render_endpoint(*members[i]));
      slice.set("endpoints", std::move(endpoints));
      slice.set("ports", rendered_ports);
      if (before == nullptr)
        plan.create.push_back(std::move(slice));
      else if (slice != *before)
        plan.update.push_back(std::move(slice));
    }
  }
  plan.remove = std::move(unused);
  return plan;
}

std::vector<client::Watch> EndpointSliceController::watches() {
  // A slice that was changed or deleted by somebody else is put right again.
  const auto slice_keys = [](const client::ChangedObject& changed) -> std::vector<ObjectKey> {
    const Value& labels = changed.object()["metadata"]["labels"];
    if (labels[kSliceManagedByLabel].as_string() != kSliceController) return {};
    return {{changed.key().ns, labels[kServiceNameLabel].as_string()}};
  };
  return {{&resource::services(),
           [this](const auto& changed) { return selectors_.on_service(changed); }},
          {&resource::pods(), [this](const auto& changed) { return selectors_.on_pod(changed); }},
          {&resource::endpoint_slices(), slice_keys}};
}

Result<Requeue> EndpointSliceController::reconcile(const ObjectKey& key) {
  const auto service = cache_.get(resource::services(), key);
  if (!service || !has_managed_endpoints(*service) || is_deleting(*service))
    return Requeue::never();  // Gone: the garbage collector takes the slices.

  const auto selector = api::LabelSelector::from_map((*service)["spec"]["selector"]);
  const auto pods = cache_.list(resource::pods(), {key.ns, "", selector.to_string(), "", ""});
  const std::string ours = std::string(kServiceNameLabel) + "=" + key.name + "," +
                           kSliceManagedByLabel + "=" + kSliceController;
  const auto present = cache_.list(resource::endpoint_slices(), {key.ns, "", ours, "", ""});
  const SlicePlan plan = plan_slices(*service, plan_backends(*service, pods), present);
  for (const Value& slice : plan.create) ORCH_TRY(api_.create(resource::endpoint_slices(), slice));
  for (const Value& slice : plan.update) ORCH_TRY(api_.update(resource::endpoint_slices(), slice));
  for (const Value* slice : plan.remove) {
    const auto removed = api_.remove(resource::endpoint_slices(), client::key_of(*slice));
    if (!removed.ok() && !removed.status().not_found()) return removed.status();
  }
  return Requeue::never();
}

}  // namespace orch::controllers
