#include "server/apiserver/proxy_target.h"

#include <vector>

#include "base/net_address.h"
#include "base/strings.h"

namespace orch::apiserver {
namespace {

std::optional<uint16_t> port_number(std::string_view text) {
  const auto number = parse_int(text);
  if (!number || *number <= 0 || *number > UINT16_MAX) return std::nullopt;
  return static_cast<uint16_t>(*number);
}

// An endpoint's port has the name of its service's port.
std::string endpoint_port_name(const api::Value& service, const std::string& wanted) {
  const auto number = port_number(wanted);
  if (!number) return wanted;
  for (const api::Value& port : service.at("spec.ports").items()) {
    if (port["port"].as_int() == *number) return port["name"].as_string();
  }
  return wanted;
}

}  // namespace

Result<ProxyName> parse_proxy_name(std::string_view text) {
  std::vector<std::string> parts;
  for (const std::string_view part : split(text, ':')) parts.emplace_back(part);
  if (parts.size() > 3 ||
      (parts.size() == 3 && parts[0] != "http" && parts[0] != "https" && !parts[0].empty())) {
    return bad_request("invalid request \"" + std::string(text) + "\"");
  }
  ProxyName name;
  if (parts.size() == 3) {
    if (!parts[0].empty()) name.scheme = parts[0];
    parts.erase(parts.begin());
  }
  name.name = parts[0];
  if (parts.size() == 2) name.port = parts[1];
  if (name.name.empty()) return bad_request("invalid request \"" + std::string(text) + "\"");
  return name;
}

Result<uint16_t> choose_pod_port(const api::Value& pod, const ProxyName& wanted) {
  if (!wanted.port.empty()) {
    const auto port = port_number(wanted.port);
    if (!port) return bad_request("invalid port \"" + wanted.port + "\"");
    return *port;
  }
  for (const api::Value& container : pod.at("spec.containers").items()) {
    for (const api::Value& port : container["ports"].items()) {
      return static_cast<uint16_t>(port["containerPort"].as_int());
    }
  }
  return static_cast<uint16_t>(wanted.scheme == "https" ? 443 : 80);
}

Result<ProxyEndpoint> choose_endpoint(const api::Value& service, const api::Value& endpoints,
                                      const ProxyName& wanted, uint64_t turn) {
  const std::string port_name = endpoint_port_name(service, wanted.port);
  std::vector<ProxyEndpoint> all;
  for (const api::Value& subset : endpoints["subsets"].items()) {
    for (const api::Value& port : subset["ports"].items()) {
      if (port["name"].as_string() != port_name) continue;
      for (const api::Value& address : subset["addresses"].items()) {
        const bool is_pod = address.at("targetRef.kind").as_string() == "Pod";
        all.push_back({address["ip"].as_string(), static_cast<uint16_t>(port["port"].as_int()),
                       is_pod ? address.at("targetRef.name").as_string() : ""});
      }
    }
  }
  if (all.empty()) {
    return service_unavailable("no endpoints available for service \"" +
                               service.at("metadata.name").as_string() + "\"");
  }
  return all[turn % all.size()];
}

bool is_proxyable(std::string_view text) {
  const auto ip = parse_ipv4(text);
  constexpr Cidr kLinkLocal{Ipv4{0xa9fe0000}, 16}, kMulticast{Ipv4{0xe0000000}, 4};
  if (!ip || !ip->is_set() || ip->is_loopback()) return false;
  return ip->value >> 24 != 0 && ip->value != UINT32_MAX && !kLinkLocal.contains(*ip) &&
         !kMulticast.contains(*ip);
}

}  // namespace orch::apiserver
