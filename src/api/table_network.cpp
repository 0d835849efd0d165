// The cells of services, their endpoints, ingresses and network policies.
#include <set>
#include <string>
#include <vector>

#include "api/table_cells.h"
#include "base/strings.h"

namespace orch::api {
namespace {

// ---- Service and its endpoints ----

Value service_cluster_ip(const Value& o, WallTime) {
  const Array& ips = o["spec"]["clusterIPs"].items();
  return or_none(ips.empty() ? o["spec"]["clusterIP"].as_string() : ips[0].as_string());
}

// Where a load balancer is reached, sorted.
std::vector<std::string> balancer_addresses(const Value& o) {
  std::set<std::string> addresses;
  for (const Value& i : o["status"]["loadBalancer"]["ingress"].items())
    addresses.insert((i["ip"].empty() ? i["hostname"] : i["ip"]).as_string());
  return {addresses.begin(), addresses.end()};
}

Value service_external_ip(const Value& o, WallTime) {
  const std::string& type = o["spec"]["type"].as_string();
  if (type == "ExternalName") return o["spec"]["externalName"];
  std::vector<std::string> ips;
  if (type == "LoadBalancer") {
    ips = balancer_addresses(o);
  }
  for (const Value& ip : o["spec"]["externalIPs"].items()) ips.push_back(ip.as_string());
  if (ips.empty()) return type == "LoadBalancer" ? "<pending>" : "<none>";
  return join(ips, ",");
}

Value service_ports(const Value& o, WallTime) {
  std::vector<std::string> ports;
  for (const Value& p : o["spec"]["ports"].items()) {
    std::string text = std::to_string(p["port"].as_int());
    if (p["nodePort"].as_int() > 0) text += ":" + std::to_string(p["nodePort"].as_int());
    ports.push_back(text + "/" + p["protocol"].as_string());
  }
  return or_none(join(ports, ","));
}

Value service_selector(const Value& o, WallTime) { return text_of_labels(o["spec"]["selector"]); }

Value endpoints(const Value& o, WallTime) {
  std::vector<std::string> all;
  for (const Value& subset : o["subsets"].items()) {
    if (subset["ports"].empty())
      for (const Value& a : subset["addresses"].items()) all.push_back(a["ip"].as_string());
    for (const Value& port : subset["ports"].items())
      for (const Value& a : subset["addresses"].items())
        all.push_back(a["ip"].as_string() + ":" + std::to_string(port["port"].as_int()));
  }
  return or_none(first_few(all));
}

Value slice_ports(const Value& o, WallTime) {
  std::vector<std::string> all;
  for (const Value& p : o["ports"].items()) {
    if (p.has("port"))
      all.push_back(std::to_string(p["port"].as_int()));
    else
      all.push_back(p["name"].empty() ? "*" : p["name"].as_string());
  }
  return all.empty() ? Value("<unset>") : Value(first_few(all));
}

Value slice_endpoints(const Value& o, WallTime) {
  std::vector<std::string> all;
  for (const Value& e : o["endpoints"].items())
    for (const Value& a : e["addresses"].items()) all.push_back(a.as_string());
  return all.empty() ? Value("<unset>") : Value(first_few(all));
}

// ---- Ingress and policies ----

Value ingress_hosts(const Value& o, WallTime) {
  std::vector<std::string> hosts;
  for (const Value& rule : o["spec"]["rules"].items())
    if (!rule["host"].empty()) hosts.push_back(rule["host"].as_string());
  return hosts.empty() ? "*" : first_few(hosts);
}

Value ingress_address(const Value& o, WallTime) { return join(balancer_addresses(o), ","); }
Value ingress_ports(const Value& o, WallTime) {
  return o["spec"]["tls"].empty() ? "80" : "80, 443";
}

Value ingress_class_parameters(const Value& o, WallTime) {
  const Value& parameters = o["spec"]["parameters"];
  if (parameters.is_null()) return "<none>";
  std::string text = parameters["kind"].as_string();
  if (!parameters["apiGroup"].empty()) text += "." + parameters["apiGroup"].as_string();
  return text + "/" + parameters["name"].as_string();
}

Value policy_pods(const Value& o, WallTime) { return text_of_selector(o["spec"]["podSelector"]); }

constexpr Cell kNetworkCells[] = {
    {"service_cluster_ip", service_cluster_ip},
    {"service_external_ip", service_external_ip},
    {"service_ports", service_ports},
    {"service_selector", service_selector},
    {"endpoints", endpoints},
    {"slice_ports", slice_ports},
    {"slice_endpoints", slice_endpoints},
    {"ingress_hosts", ingress_hosts},
    {"ingress_address", ingress_address},
    {"ingress_ports", ingress_ports},
    {"ingress_class_parameters", ingress_class_parameters},
    {"policy_pods", policy_pods},
};

}  // namespace

std::span<const Cell> network_cells() { return kNetworkCells; }

}  // namespace orch::api
