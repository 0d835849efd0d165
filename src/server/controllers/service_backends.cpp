// See service_backends.h.
#include "server/controllers/service_backends.h"

#include <algorithm>
#include <optional>

#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;

namespace {

// A service's target port in a pod: a number, or the name of a container's port.
std::optional<int64_t> find_port(const Value& service_port, const Value& pod) {
  const Value& target = service_port["targetPort"];
  const std::string& protocol = service_port["protocol"].as_string();
  if (target.is_int()) return target.as_int();
  if (target.is_null()) return service_port["port"].as_int();
  for (const Value& container : pod["spec"]["containers"].items())
    for (const Value& port : container["ports"].items()) {
      const std::string& its = port["protocol"].as_string();
      if (port["name"] == target &&
          (its.empty() ? "TCP" : its) == (protocol.empty() ? "TCP" : protocol))
        return port["containerPort"].as_int();
    }
  return std::nullopt;
}

std::vector<BackendPort> ports_of(const Value& service, const Value& pod) {
  std::vector<BackendPort> ports;
  for (const Value& port : service["spec"]["ports"].items()) {
    const auto number = find_port(port, pod);
    if (!number) continue;  // This pod does not serve it.
    const std::string& protocol = port["protocol"].as_string();
    ports.push_back({port["name"].as_string(), protocol.empty() ? "TCP" : protocol,
                     port["appProtocol"].as_string(), *number});
  }
  return ports;
}

bool same_backend(const Value& a, const Value& b) {
  return a["status"]["podIP"] == b["status"]["podIP"] && is_ready(a) == is_ready(b) &&
         is_finished(a) == is_finished(b) && is_deleting(a) == is_deleting(b) &&
         a["spec"]["nodeName"] == b["spec"]["nodeName"] &&
         a["metadata"]["labels"] == b["metadata"]["labels"] &&
         a["metadata"]["uid"] == b["metadata"]["uid"];
}

}  // namespace

std::vector<Backend> plan_backends(const Value& service, const std::vector<Value>& pods) {
  const bool publish_all = service["spec"]["publishNotReadyAddresses"].as_bool();
  std::vector<Backend> backends;
  for (const Value& pod : pods) {
    const std::string& ip = pod["status"]["podIP"].as_string();
    if (ip.empty() || is_finished(pod)) continue;
    Backend backend;
    backend.ip = ip;
    backend.node = pod["spec"]["nodeName"].as_string();
    if (pod["spec"]["subdomain"].as_string() == name_of(service))
      backend.hostname = pod["spec"]["hostname"].as_string();
    backend.target = Value::object({{"kind", "Pod"},
                                    {"namespace", namespace_of(pod)},
                                    {"name", name_of(pod)},
                                    {"uid", uid_of(pod)}});
    backend.terminating = is_deleting(pod);
    backend.serving = publish_all || is_ready(pod);
    backend.ready = publish_all || (backend.serving && !backend.terminating);
    backend.ports = ports_of(service, pod);
    backends.push_back(std::move(backend));
  }
  std::sort(backends.begin(), backends.end(), [](const Backend& a, const Backend& b) {
    return std::tie(a.ip, a.target["uid"].as_string()) <
           std::tie(b.ip, b.target["uid"].as_string());
  });
  return backends;
}

bool has_managed_endpoints(const Value& service) {
  return !service["spec"]["selector"].empty() &&
         service["spec"]["type"].as_string() != "ExternalName";
}

bool is_headless(const Value& service) {
  return service["spec"]["clusterIP"].as_string() == "None";
}

Value inherited_labels(const Value& service) {
  Value labels =
      service["metadata"]["labels"].is_object() ? service["metadata"]["labels"] : Value::object();
  labels.remove("service.kubernetes.io/headless");
  if (is_headless(service)) labels.set("service.kubernetes.io/headless", "");
  return labels;
}

std::vector<ObjectKey> ServiceSelectors::on_service(const client::ChangedObject& changed) {
  if (changed.deleted() || !has_managed_endpoints(changed.object()))
    selectors_.erase(changed.key());
  else
    selectors_[changed.key()] = api::LabelSelector::from_map(changed.object()["spec"]["selector"]);
  return {changed.key()};
}

std::vector<ObjectKey> ServiceSelectors::on_pod(const client::ChangedObject& changed) const {
  const bool modified = !changed.added() && !changed.deleted();
  if (modified && same_backend(changed.object(), changed.previous())) return {};
  const api::Labels after = api::labels_of(changed.object());
  const api::Labels before = modified ? api::labels_of(changed.previous()) : after;
  std::vector<ObjectKey> keys;
  for (auto it = selectors_.lower_bound({changed.key().ns, ""});
       it != selectors_.end() && it->first.ns == changed.key().ns; ++it)
    if (it->second.matches(after) || it->second.matches(before)) keys.push_back(it->first);
  return keys;
}

}  // namespace orch::controllers
