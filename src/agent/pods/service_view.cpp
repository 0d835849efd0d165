#include "agent/pods/service_view.h"

#include <optional>

#include "base/strings.h"

namespace orch::pods {
namespace {

using SlicesByService = std::map<std::string, std::vector<const api::Value*>>;

std::string service_key(const std::string& ns, const std::string& name) { return ns + "/" + name; }

SlicesByService group_slices(const std::vector<api::Value>& slices) {
  SlicesByService grouped;
  for (const auto& slice : slices) {
    if (slice["addressType"].as_string() == "IPv6") continue;
    const auto& metadata = slice["metadata"];
    const auto& service = metadata["labels"]["kubernetes.io/service-name"].as_string();
    if (service.empty()) continue;
    grouped[service_key(metadata["namespace"].as_string(), service)].push_back(&slice);
  }
  return grouped;
}

const std::vector<const api::Value*>& slices_of(const SlicesByService& grouped,
                                                const api::Value& service) {
  static const std::vector<const api::Value*> none;
  const auto& metadata = service["metadata"];
  const auto found =
      grouped.find(service_key(metadata["namespace"].as_string(), metadata["name"].as_string()));
  return found == grouped.end() ? none : found->second;
}

std::optional<netfilter::Protocol> protocol_of(const api::Value& port) {
  const auto& text = port["protocol"].as_string();
  if (text.empty() || text == "TCP") return netfilter::Protocol::tcp;
  if (text == "UDP") return netfilter::Protocol::udp;
  return std::nullopt;
}

uint16_t port_number(const api::Value& value) { return static_cast<uint16_t>(value.as_int()); }

// Unset means ready, and serving follows ready.
bool is_ready(const api::Value& endpoint) { return endpoint["conditions"]["ready"].as_bool(true); }
bool serves_to_the_end(const api::Value& endpoint) {
  const auto& conditions = endpoint["conditions"];
  return conditions["terminating"].as_bool() && conditions["serving"].as_bool(is_ready(endpoint));
}

// The number of the port that the slice calls as the service does; 0 when it has none.
uint16_t slice_port(const api::Value& slice, const api::Value& service_port) {
  for (const auto& port : slice["ports"].items()) {
    if (port["name"].as_string() != service_port["name"].as_string()) continue;
    if (protocol_of(port) == protocol_of(service_port)) return port_number(port["port"]);
  }
  return 0;
}

std::vector<netfilter::Endpoint> endpoints_of(const std::vector<const api::Value*>& slices,
                                              const api::Value& service_port,
                                              const std::string& node_name) {
  std::vector<netfilter::Endpoint> ready, last;
  for (const api::Value* slice : slices) {
    const uint16_t port = slice_port(*slice, service_port);
    if (port == 0) continue;
    for (const auto& endpoint : (*slice)["endpoints"].items()) {
      auto* list = is_ready(endpoint) ? &ready : serves_to_the_end(endpoint) ? &last : nullptr;
      const auto ip = parse_ipv4(endpoint["addresses"][0].as_string());
      if (list == nullptr || !ip) continue;
      list->push_back({*ip, port, endpoint["nodeName"].as_string() == node_name});
    }
  }
  return ready.empty() ? last : ready;
}

std::vector<Ipv4> external_ips(const api::Value& service) {
  std::vector<Ipv4> ips;
  for (const auto& text : service["spec"]["externalIPs"].items()) {
    if (const auto ip = parse_ipv4(text.as_string())) ips.push_back(*ip);
  }
  for (const auto& ingress : service["status"]["loadBalancer"]["ingress"].items()) {
    if (ingress["ipMode"].as_string() == "Proxy") continue;
    if (const auto ip = parse_ipv4(ingress["ip"].as_string())) ips.push_back(*ip);
  }
  return ips;
}

dns::ServicePort dns_port(const api::Value& port, uint16_t number) {
  const auto& protocol = port["protocol"].as_string();
  return {port["name"].as_string(), protocol.empty() ? "tcp" : to_lower(protocol), number};
}

std::vector<dns::ZoneEndpoint> zone_endpoints(const std::vector<const api::Value*>& slices) {
  std::vector<dns::ZoneEndpoint> endpoints;
  for (const api::Value* slice : slices) {
    std::vector<dns::ServicePort> ports;
    for (const auto& port : (*slice)["ports"].items()) {
      ports.push_back(dns_port(port, port_number(port["port"])));
    }
    for (const auto& endpoint : (*slice)["endpoints"].items()) {
      const auto ip = parse_ipv4(endpoint["addresses"][0].as_string());
      if (!ip) continue;
      endpoints.push_back({endpoint["hostname"].as_string(), *ip, ports, is_ready(endpoint)});
    }
  }
  return endpoints;
}

}  // namespace

netfilter::ServiceTable service_table(const std::vector<api::Value>& services,
                                      const std::vector<api::Value>& slices,
                                      const std::string& node_name) {
  const auto grouped = group_slices(slices);
  netfilter::ServiceTable table;
  for (const auto& service : services) {
    const auto& spec = service["spec"];
    const auto cluster_ip = parse_ipv4(spec["clusterIP"].as_string());
    if (!cluster_ip || spec["type"].as_string() == "ExternalName") continue;
    const auto& metadata = service["metadata"];
    const std::string key =
        service_key(metadata["namespace"].as_string(), metadata["name"].as_string());
    for (const auto& port : spec["ports"].items()) {
      const auto protocol = protocol_of(port);
      if (!protocol) continue;  // SCTP is not forwarded.
      netfilter::Service row;
      row.name = key + ":" + port["name"].as_string();
      row.protocol = *protocol;
      row.cluster_ip = *cluster_ip;
      row.port = port_number(port["port"]);
      row.node_port = port_number(port["nodePort"]);
      row.external_ips = external_ips(service);
      row.endpoints = endpoints_of(slices_of(grouped, service), port, node_name);
      if (spec["sessionAffinity"].as_string() == "ClientIP") {
        const auto& client_ip = spec["sessionAffinityConfig"]["clientIP"];
        row.session_affinity_s = static_cast<uint32_t>(client_ip["timeoutSeconds"].as_int(10800));
      }
      row.internal_traffic_local = spec["internalTrafficPolicy"].as_string() == "Local";
      row.external_traffic_local = spec["externalTrafficPolicy"].as_string() == "Local";
      table.services.push_back(std::move(row));
    }
  }
  return table;
}

std::vector<netfilter::HostPort> host_ports(const api::Value& pod) {
  std::vector<netfilter::HostPort> ports;
  const auto& spec = pod["spec"];
  const auto& phase = pod["status"]["phase"].as_string();
  const auto pod_ip = parse_ipv4(pod["status"]["podIP"].as_string());
  if (!pod_ip || spec["hostNetwork"].as_bool() || phase == "Succeeded" || phase == "Failed") {
    return ports;
  }
  const auto& metadata = pod["metadata"];
  for (const char* list : {"initContainers", "containers"}) {
    for (const auto& container : spec[list].items()) {
      for (const auto& port : container["ports"].items()) {
        const auto protocol = protocol_of(port);
        if (port["hostPort"].as_int() == 0 || !protocol) continue;
        netfilter::HostPort row;
        row.name = service_key(metadata["namespace"].as_string(), metadata["name"].as_string());
        row.protocol = *protocol;
        row.host_ip = parse_ipv4(port["hostIP"].as_string()).value_or(Ipv4{});
        row.port = port_number(port["hostPort"]);
        row.pod_ip = *pod_ip;
        row.pod_port = port_number(port["containerPort"]);
        ports.push_back(std::move(row));
      }
    }
  }
  return ports;
}

dns::ZoneData zone_data(const std::vector<api::Value>& services,
                        const std::vector<api::Value>& slices, const std::string& domain) {
  const auto grouped = group_slices(slices);
  dns::ZoneData data;
  data.domain = domain;
  for (const auto& service : services) {
    const auto& spec = service["spec"];
    dns::ZoneService entry;
    entry.name = service["metadata"]["name"].as_string();
    entry.ns = service["metadata"]["namespace"].as_string();
    entry.publish_not_ready = spec["publishNotReadyAddresses"].as_bool();
    if (spec["type"].as_string() == "ExternalName") {
      entry.external_name = spec["externalName"].as_string();
    } else if (const auto ip = parse_ipv4(spec["clusterIP"].as_string())) {
      entry.cluster_ip = *ip;
    } else if (spec["clusterIP"].as_string() == "None") {
      entry.endpoints = zone_endpoints(slices_of(grouped, service));
    } else {
      continue;  // No address yet.
    }
    for (const auto& port : spec["ports"].items()) {
      entry.ports.push_back(dns_port(port, port_number(port["port"])));
    }
    data.services.push_back(std::move(entry));
  }
  return data;
}

std::map<Cidr, Ipv4> pod_routes(const std::vector<api::Value>& nodes,
                                const std::string& node_name) {
  std::map<Cidr, Ipv4> routes;
  for (const auto& node : nodes) {
    if (node["metadata"]["name"].as_string() == node_name) continue;
    const auto cidr = parse_cidr(node["spec"]["podCIDR"].as_string());
    if (!cidr) continue;
    for (const auto& address : node["status"]["addresses"].items()) {
      if (address["type"].as_string() != "InternalIP") continue;
      if (const auto ip = parse_ipv4(address["address"].as_string())) routes[*cidr] = *ip;
    }
  }
  return routes;
}

}  // namespace orch::pods
