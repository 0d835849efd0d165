// The trees; see the header.
#include "netfilter/dispatch.h"

#include <algorithm>
#include <bit>
#include <span>
#include <tuple>

namespace orch::netfilter {
namespace {

constexpr size_t kLeafDoors = 8;  // At most so many services are tried one after another.
constexpr int kFanBits = 2;       // Each tree node of addresses has up to four children.
constexpr size_t kFanPorts = 4;   // Each tree node of ports too.

std::string hex8(uint32_t value) {
  std::string out;
  for (int shift = 28; shift >= 0; shift -= 4) out += "0123456789abcdef"[value >> shift & 15];
  return out;
}

Rule door_rule(const Door& door) {
  Rule rule;
  if (door.ip.is_set()) rule.match.destination = host_cidr(door.ip);
  rule.match.protocol = door.protocol;
  rule.match.port_first = rule.match.port_last = door.port;
  rule.match.comment = door.comment;
  rule.target = door.target;
  return rule;
}

// `doors` sorted by address. Branches where the addresses differ first, so that a tree is as
// shallow as its addresses allow.
void add_address_tree(ChainSet& chains, const std::string& chain, const std::string& prefix,
                      std::span<const Door> doors) {
  const uint32_t differing = doors.empty() ? 0 : doors.front().ip.value ^ doors.back().ip.value;
  if (doors.size() <= kLeafDoors || differing == 0) {
    for (const Door& door : doors) chains.at(chain).push_back(door_rule(door));
    return;
  }
  const int bits = std::min(32, std::countl_zero(differing) + kFanBits);
  while (!doors.empty()) {
    const Cidr net{Ipv4{doors.front().ip.value & Cidr{{}, bits}.mask()}, bits};
    size_t count = 1;
    while (count < doors.size() && net.contains(doors[count].ip)) ++count;
    if (count == 1) {
      chains.at(chain).push_back(door_rule(doors.front()));
    } else {
      const std::string child = prefix + hex8(net.base.value) + "-" + std::to_string(bits);
      Rule rule;
      rule.match.destination = net;
      rule.target = Jump{child};
      chains.at(chain).push_back(std::move(rule));
      add_address_tree(chains, child, prefix, doors.first(count));
    }
    doors = doors.subspan(count);
  }
}

// `doors` of one protocol, sorted by port.
void add_port_tree(ChainSet& chains, const std::string& chain, std::span<const Door> doors) {
  if (doors.size() <= kLeafDoors) {
    for (const Door& door : doors) chains.at(chain).push_back(door_rule(door));
    return;
  }
  const size_t step = (doors.size() + kFanPorts - 1) / kFanPorts;
  while (!doors.empty()) {
    const auto part = doors.first(std::min(step, doors.size()));
    const std::string child = "ORCH-NP-" + std::string(protocol_name(part.front().protocol)) + "-" +
                              std::to_string(part.front().port) + "-" +
                              std::to_string(part.back().port);
    Rule rule;
    rule.match.protocol = part.front().protocol;
    rule.match.port_first = part.front().port;
    rule.match.port_last = part.back().port;
    rule.target = Jump{child};
    chains.at(chain).push_back(std::move(rule));
    add_port_tree(chains, child, part);
    doors = doors.subspan(part.size());
  }
}

// Two services can't share a door; should the input say so, the first by name keeps it.
void sort_doors(std::vector<Door>& doors) {
  const auto key = [](const Door& door) { return std::tuple(door.ip, door.protocol, door.port); };
  std::stable_sort(doors.begin(), doors.end(),
                   [&](const Door& a, const Door& b) { return key(a) < key(b); });
  const auto same = [&](const Door& a, const Door& b) { return key(a) == key(b); };
  doors.erase(std::unique(doors.begin(), doors.end(), same), doors.end());
}

}  // namespace

const char* protocol_name(Protocol protocol) { return protocol == Protocol::tcp ? "tcp" : "udp"; }

void add_dispatch(ChainSet& chains, std::vector<Door> doors, const NodeNet& node) {
  sort_doors(doors);
  std::vector<Door> cluster, external, tcp_ports, udp_ports;
  for (Door& door : doors) {
    const bool tcp = door.protocol == Protocol::tcp;
    auto& group = !door.ip.is_set()                     ? (tcp ? tcp_ports : udp_ports)
                  : node.service_cidr.contains(door.ip) ? cluster
                                                        : external;
    group.push_back(std::move(door));
  }
  auto& services = chains.at("ORCH-SERVICES");
  if (!cluster.empty()) {
    Rule rule;
    rule.match.destination = node.service_cidr;
    rule.target = Jump{"ORCH-CLUSTERIP"};
    services.push_back(std::move(rule));
    add_address_tree(chains, "ORCH-CLUSTERIP", "ORCH-IP-", cluster);
  }
  if (!external.empty()) {
    services.push_back({{}, Jump{"ORCH-EXTERNALIP"}});
    add_address_tree(chains, "ORCH-EXTERNALIP", "ORCH-XIP-", external);
  }
  if (!tcp_ports.empty() || !udp_ports.empty()) {
    Rule rule;  // Not on 127/8: packets from there can't leave the loopback interface.
    rule.match.destination = Cidr{Ipv4{127u << 24}, 8};
    rule.match.not_destination = true;
    rule.match.to_local_address = true;
    rule.target = Jump{"ORCH-NODEPORTS"};
    services.push_back(std::move(rule));
    add_port_tree(chains, "ORCH-NODEPORTS", tcp_ports);
    add_port_tree(chains, "ORCH-NODEPORTS", udp_ports);
  }
}

}  // namespace orch::netfilter
