// Services. Addresses and node ports are allocated by the server; here is what must hold of them.
// Follows: kubernetes.io "Service".
#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "api/endpoint_address.h"
#include "api/hook_list.h"
#include "api/metadata.h"
#include "api/names.h"

namespace orch::api {
namespace {

constexpr int64_t kSessionSeconds = 10800;
constexpr int64_t kMaxSessionSeconds = 86400;

bool is_external(const Value& spec) {
  const std::string& type = spec["type"].as_string();
  return type == "NodePort" || type == "LoadBalancer" ||
         (type == "ClusterIP" && !spec["externalIPs"].empty());
}

void default_session(Value& spec) {
  const Value& given = spec;
  if (given["sessionAffinity"].as_string() == "None") {
    spec.remove("sessionAffinityConfig");
  } else if (given.at("sessionAffinityConfig.clientIP.timeoutSeconds").is_null()) {
    spec["sessionAffinityConfig"]["clientIP"].set("timeoutSeconds", kSessionSeconds);
  }
}

void set_defaults(Value& service) {
  Value& spec = service["spec"];
  if (!spec.is_object()) return;
  const Value& given = spec;
  default_session(spec);
  if (Value* ports = spec.find("ports"); ports != nullptr && ports->is_array()) {
    for (Value& port : ports->array_items()) {
      const Value& target = std::as_const(port)["targetPort"];
      if (target.empty() || (target.is_int() && target.as_int() == 0)) {
        port.set("targetPort", std::as_const(port)["port"].as_int());
      }
    }
  }
  if (given["externalTrafficPolicy"].empty() && is_external(given)) {
    spec.set("externalTrafficPolicy", "Cluster");
  }
  const std::string type = given["type"].as_string();
  if (given["internalTrafficPolicy"].is_null() && type != "ExternalName") {
    spec.set("internalTrafficPolicy", "Cluster");
  }
  if (given["allocateLoadBalancerNodePorts"].is_null() && type == "LoadBalancer") {
    spec.set("allocateLoadBalancerNodePorts", true);
  }
}

void prepare_create(Value& service) {
  service.set("status", Value::object({{"loadBalancer", Value::object()}}));
}

// What was allocated stays while the client doesn't ask for something else.
void prepare_update(Value& service, const Value& old, std::string_view subresource) {
  if (subresource == "status") return;
  Value& spec = service["spec"];
  if (!spec.is_object()) return;
  const Value& now = spec;
  const Value& was = old["spec"];
  if (now["type"].as_string() == "ExternalName" || was["type"].as_string() == "ExternalName")
    return;
  if (now["clusterIP"].empty() && !was["clusterIP"].empty()) {
    for (const char* field : {"clusterIP", "clusterIPs"}) spec.set(field, was[field]);
  }
  for (const char* field : {"ipFamilies", "ipFamilyPolicy", "clusterIPs"}) {
    if (now[field].empty() && !was[field].empty()) spec.set(field, was[field]);
  }
  const std::string& type = now["type"].as_string();
  Value* ports = spec.find("ports");
  if (type == "ClusterIP" || ports == nullptr || !ports->is_array()) return;
  for (Value& port : ports->array_items()) {
    if (std::as_const(port)["nodePort"].as_int() != 0) continue;
    for (const Value& before : was["ports"].items()) {
      const bool same = before["port"].as_int() == std::as_const(port)["port"].as_int() &&
                        before["protocol"] == std::as_const(port)["protocol"];
      if (same && before["nodePort"].as_int() != 0) port.set("nodePort", before["nodePort"]);
    }
  }
}

void validate_port(const Value& port, bool name_needed, const std::string& path, Causes& causes) {
  const Value& name = port["name"];
  if (name.empty()) {
    if (name_needed) add_required(&causes, at(path, "name"));
  } else {
    add_problems(&causes, at(path, "name"), name, dns_label_problems(name.as_string()));
  }
  add_problems(&causes, at(path, "port"), port["port"].as_int(),
               port_number_problems(port["port"].as_int()));
  const Value& target = port["targetPort"];
  add_problems(&causes, at(path, "targetPort"), target,
               target.is_string() ? port_name_problems(target.as_string())
                                  : port_number_problems(target.as_int()));
  const Value& protocol = port["appProtocol"];
  if (!protocol.empty()) {
    add_problems(&causes, at(path, "appProtocol"), protocol,
                 qualified_name_problems(protocol.as_string()));
  }
}

void validate_ports(const Value& spec, Causes& causes) {
  const std::string path = "spec.ports";
  const Value& ports = spec["ports"];
  const std::string& type = spec["type"].as_string();
  if (ports.empty() && spec["clusterIP"].as_string() != "None" && type != "ExternalName") {
    add_required(&causes, path);
  }
  std::set<std::string> names, numbers, node_ports;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Value& port = ports[i];
    const std::string here = at(path, i);
    validate_port(port, ports.size() > 1, here, causes);
    const std::string protocol = port["protocol"].as_string();
    if (!port["name"].empty() && !names.insert(port["name"].as_string()).second) {
      add_duplicate(&causes, at(here, "name"), port["name"]);
    }
    if (!numbers.insert(protocol + std::to_string(port["port"].as_int())).second) {
      add_duplicate(&causes, here, port);
    }
    const int64_t node_port = port["nodePort"].as_int();
    if (node_port == 0) continue;
    if (type == "ClusterIP" || type == "ExternalName") {
      add_forbidden(&causes, at(here, "nodePort"), "may not be used when `type` is '" + type + "'");
    } else if (!node_ports.insert(protocol + std::to_string(node_port)).second) {
      add_duplicate(&causes, at(here, "nodePort"), port["nodePort"]);
    }
  }
}

void validate_addresses(const Value& spec, Causes& causes) {
  const Value& ip = spec["clusterIP"];
  const std::string& type = spec["type"].as_string();
  if (type == "ExternalName") {
    if (!ip.empty()) {
      add_forbidden(&causes, "spec.clusterIP", "may not be set for ExternalName services");
    }
    const Value& name = spec["externalName"];
    if (name.empty()) {
      add_required(&causes, "spec.externalName");
    } else {
      add_problems(&causes, "spec.externalName", name, dns_subdomain_problems(name.as_string()));
    }
  } else if (!ip.empty() && ip.as_string() != "None") {
    add_problems(&causes, "spec.clusterIPs[0]", ip, ip_problems(ip.as_string()));
  }
  if (ip.as_string() == "None" && (type == "NodePort" || type == "LoadBalancer")) {
    add_invalid(&causes, "spec.clusterIPs[0]", ip,
                "may not be set to 'None' for " + type + " services");
  }
  const Value& external = spec["externalIPs"];
  for (size_t i = 0; i < external.size(); ++i) {
    validate_reachable(external[i], at("spec.externalIPs", i), causes);
  }
  const Value& ranges = spec["loadBalancerSourceRanges"];
  for (size_t i = 0; i < ranges.size(); ++i) {
    add_problems(&causes, at("spec.loadBalancerSourceRanges", i), ranges[i],
                 cidr_problems(ranges[i].as_string()));
  }
}

// What only a load balancer has.
void validate_load_balancer(const Value& spec, Causes& causes) {
  const bool balanced = spec["type"].as_string() == "LoadBalancer";
  for (const char* field :
       {"loadBalancerSourceRanges", "loadBalancerClass", "allocateLoadBalancerNodePorts"}) {
    if (balanced || spec[field].is_null() || spec[field].empty()) continue;
    if (spec[field].is_bool() && !spec[field].as_bool()) continue;
    add_forbidden(&causes, at("spec", field), "may only be used when `type` is 'LoadBalancer'");
  }
  const Value& balancer = spec["loadBalancerClass"];
  if (balanced && !balancer.is_null()) {
    add_problems(&causes, "spec.loadBalancerClass", balancer,
                 qualified_name_problems(balancer.as_string()));
  }
  const Value& check = spec["healthCheckNodePort"];
  if (check.as_int() != 0 && !(balanced && spec["externalTrafficPolicy"].as_string() == "Local")) {
    add_invalid(&causes, "spec.healthCheckNodePort", check,
                "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is "
                "'Local'");
  }
}

// Of each family one, and the first is the one that the older field names.
void validate_cluster_ips(const Value& spec, Causes& causes) {
  const Value& all = spec["clusterIPs"];
  const Value& first = spec["clusterIP"];
  if (all.size() > 2) {
    add_invalid(&causes, "spec.clusterIPs", all, "may only hold up to 2 values");
  }
  if (!all.empty() && !first.empty() && all[0] != first) {
    add_invalid(&causes, "spec.clusterIPs", all, "first value must match `clusterIP`");
  }
  const Value& spread = spec["trafficDistribution"];
  if (!spread.is_null() && spread.as_string() != "PreferClose") {
    add_not_supported(&causes, "spec.trafficDistribution", spread, {"PreferClose"});
  }
}

void validate_ingress_points(const Value& points, Causes& causes) {
  for (size_t i = 0; i < points.size(); ++i) {
    const std::string here = at("status.loadBalancer.ingress", i);
    const Value& ip = points[i]["ip"];
    const Value& name = points[i]["hostname"];
    if (!ip.empty()) add_problems(&causes, at(here, "ip"), ip, ip_problems(ip.as_string()));
    if (!name.empty()) {
      add_problems(&causes, at(here, "hostname"), name, dns_subdomain_problems(name.as_string()));
    }
    if (!points[i]["ipMode"].is_null() && ip.empty()) {
      add_forbidden(&causes, at(here, "ipMode"), "may not be specified when `ip` is not set");
    }
  }
}

void validate(const Value& service, Causes& causes) {
  const Value& spec = service["spec"];
  validate_ports(spec, causes);
  validate_addresses(spec, causes);
  validate_cluster_ips(spec, causes);
  validate_load_balancer(spec, causes);
  validate_ingress_points(service.at("status.loadBalancer.ingress"), causes);
  validate_labels(spec["selector"], "spec.selector", &causes);
  if (!spec["externalTrafficPolicy"].empty() && !is_external(spec)) {
    add_invalid(&causes, "spec.externalTrafficPolicy", spec["externalTrafficPolicy"],
                "may only be set for externally-accessible services");
  }
  const Value& timeout = spec.at("sessionAffinityConfig.clientIP.timeoutSeconds");
  if (!timeout.is_null() && (timeout.as_int() < 1 || timeout.as_int() > kMaxSessionSeconds)) {
    add_invalid(&causes, "spec.sessionAffinityConfig.clientIP.timeoutSeconds", timeout,
                "must be between 1 and 86400, inclusive");
  }
}

void validate_update(const Value& service, const Value& old, std::string_view, Causes& causes) {
  const Value& now = service["spec"];
  const Value& was = old["spec"];
  const bool external_name =
      now["type"].as_string() == "ExternalName" || was["type"].as_string() == "ExternalName";
  if (external_name || was["clusterIP"].empty()) return;
  if (now["clusterIP"].as_string() != was["clusterIP"].as_string()) {
    add_invalid(&causes, "spec.clusterIPs[0]", now["clusterIPs"], "may not change once set");
  }
  const bool balanced = now["type"].as_string() == "LoadBalancer" && now["type"] == was["type"];
  if (balanced && now["loadBalancerClass"] != was["loadBalancerClass"]) {
    add_invalid(&causes, "spec.loadBalancerClass", now["loadBalancerClass"],
                "may not change once set");
  }
}

}  // namespace

const Hook kServiceHook = {
    .defaults = set_defaults,
    .prepare_create = prepare_create,
    .prepare_update = prepare_update,
    .validate = validate,
    .validate_update = validate_update,
};

}  // namespace orch::api
