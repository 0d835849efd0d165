// Endpoints and EndpointSlices: the addresses behind a service.
// Follows: kubernetes.io "EndpointSlices".
#include <set>
#include <string>

#include "api/endpoint_address.h"
#include "api/hook_list.h"
#include "api/names.h"
#include "base/net_address.h"

namespace orch::api {
namespace {

constexpr size_t kMaxEndpoints = 1000;
constexpr size_t kMaxAddresses = 100;
constexpr size_t kMaxPorts = 20000;
constexpr size_t kMaxHints = 8;

void validate_port(const Value& port, const std::string& path, Causes& causes) {
  if (!port.is_null()) add_problems(&causes, path, port, port_number_problems(port.as_int()));
}

void validate_endpoints(const Value& endpoints, Causes& causes) {
  const Value& subsets = endpoints["subsets"];
  for (size_t i = 0; i < subsets.size(); ++i) {
    const std::string here = at("subsets", i);
    if (subsets[i]["addresses"].empty() && subsets[i]["notReadyAddresses"].empty()) {
      add_required(&causes, here, "must specify `addresses` or `notReadyAddresses`");
    }
    for (const char* list : {"addresses", "notReadyAddresses"}) {
      const Value& addresses = subsets[i][list];
      for (size_t j = 0; j < addresses.size(); ++j) {
        validate_reachable(addresses[j]["ip"], at(at(at(here, list), j), "ip"), causes);
      }
    }
    const Value& ports = subsets[i]["ports"];
    for (size_t j = 0; j < ports.size(); ++j) {
      const std::string port = at(at(here, "ports"), j);
      add_problems(&causes, at(port, "port"), ports[j]["port"].as_int(),
                   port_number_problems(ports[j]["port"].as_int()));
      const Value& name = ports[j]["name"];
      if (name.empty() && ports.size() > 1) add_required(&causes, at(port, "name"));
      if (!name.empty()) {
        add_problems(&causes, at(port, "name"), name, dns_label_problems(name.as_string()));
      }
    }
  }
}

void validate_slice(const Value& slice, Causes& causes) {
  const Value& endpoints = slice["endpoints"];
  const std::string& family = slice["addressType"].as_string();
  if (endpoints.size() > kMaxEndpoints) {
    add_too_many(&causes, "endpoints", endpoints.size(), kMaxEndpoints);
  }
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const std::string here = at(at("endpoints", i), "addresses");
    const Value& addresses = endpoints[i]["addresses"];
    if (addresses.empty()) add_required(&causes, here, "must contain at least 1 address");
    if (addresses.size() > kMaxAddresses) {
      add_too_many(&causes, here, addresses.size(), kMaxAddresses);
    }
    for (size_t j = 0; j < addresses.size(); ++j) {
      if (family == "FQDN") {
        add_problems(&causes, at(here, j), addresses[j],
                     dns_subdomain_problems(addresses[j].as_string()));
      } else if (parse_ipv4(addresses[j].as_string()).has_value() != (family == "IPv4") &&
                 ip_problems(addresses[j].as_string()).empty()) {
        add_invalid(&causes, at(here, j), addresses[j],
                    family == "IPv4" ? "must be an IPv4 address" : "must be an IPv6 address");
      } else {
        validate_reachable(addresses[j], at(here, j), causes);
      }
    }
    const size_t zones = endpoints[i]["hints"]["forZones"].size();
    if (zones > kMaxHints) {
      add_too_many(&causes, at(at("endpoints", i), "hints.forZones"), zones, kMaxHints);
    }
  }
  const Value& ports = slice["ports"];
  if (ports.size() > kMaxPorts) add_too_many(&causes, "ports", ports.size(), kMaxPorts);
  std::set<std::string> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Value& name = ports[i]["name"];
    const std::string here = at("ports", i);
    if (!name.empty()) {
      add_problems(&causes, at(here, "name"), name, dns_label_problems(name.as_string()));
    }
    if (!names.insert(name.as_string()).second) add_duplicate(&causes, at(here, "name"), name);
    validate_port(ports[i]["port"], at(here, "port"), causes);
  }
}

void validate_slice_update(const Value& slice, const Value& old, std::string_view, Causes& causes) {
  if (slice["addressType"] == old["addressType"]) return;
  add_invalid(&causes, "addressType", slice["addressType"], "field is immutable");
}

// All but metadata counts, and labels count too.
bool same_slice(const Value& slice, const Value& old) {
  for (const char* field : {"addressType", "endpoints", "ports"}) {
    if (slice[field] != old[field] && !(slice[field].empty() && old[field].empty())) return false;
  }
  return slice.at("metadata.labels") == old.at("metadata.labels");
}

}  // namespace

void validate_reachable(const Value& ip, const std::string& path, Causes& causes) {
  const auto v4 = parse_ipv4(ip.as_string());
  if (!v4) {
    add_problems(&causes, path, ip, ip_problems(ip.as_string()));
  } else if (!v4->is_set()) {
    add_invalid(&causes, path, ip, "may not be unspecified (0.0.0.0)");
  } else if (v4->is_loopback()) {
    add_invalid(&causes, path, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
  } else if (v4->value >> 16 == 0xa9fe) {
    add_invalid(&causes, path, ip,
                "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
  } else if (v4->value >> 28 == 0xe) {
    add_invalid(&causes, path, ip, "may not be in the multicast range");
  }
}

const Hook kEndpointsHook = {
    .validate = validate_endpoints,
};

const Hook kEndpointSliceHook = {
    .same_generation = same_slice,
    .validate = validate_slice,
    .validate_update = validate_slice_update,
};

}  // namespace orch::api
