// rules: what the cluster's services mean for this node, as packet filter rules.
//
// Two plain values come in (the services with their endpoints, and this node's networks) and one
// comes out: the chains of the "nat" and "filter" tables that are ours. Nothing here touches a
// kernel; netfilter/commit.h writes the result, and golden tests read it as text.
//
// The shape keeps the cost of a new connection the same at ten and at ten thousand services:
//   built-in → ORCH-SERVICES → (service CIDR?) ORCH-CLUSTERIP → prefix tree of addresses, at most
//   8 services in a leaf → ORCH-SVC-x → one random choice per endpoint, DNAT.
// A chain of its own (ORCH-SEP-x) is made only for an endpoint that can talk to itself (it is on
// this node: hairpin) or that must be found again (session affinity). Host ports lead to such a
// chain straight away.
//
// Follows Kubernetes' Service semantics ("Virtual IPs and Service Proxies").
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/net_address.h"

namespace orch::netfilter {

enum class Protocol : uint8_t { tcp = 6, udp = 17 };

struct Endpoint {
  Ipv4 ip;
  uint16_t port = 0;
  bool local = false;  // On this node.

  auto operator<=>(const Endpoint&) const = default;
};

// One port of one Service. Give only endpoints that may get traffic (ready, or serving while all
// terminate); which those are is the caller's knowledge.
struct Service {
  std::string name;  // "namespace/name:port"; unique together with the protocol; names the chains.
  Protocol protocol = Protocol::tcp;
  Ipv4 cluster_ip;
  uint16_t port = 0;
  uint16_t node_port = 0;               // 0: none.
  std::vector<Ipv4> external_ips = {};  // spec.externalIPs and load balancer addresses.
  std::vector<Endpoint> endpoints = {};
  uint32_t session_affinity_s = 0;      // ClientIP affinity timeout; 0: none.
  bool internal_traffic_local = false;  // internalTrafficPolicy: Local
  bool external_traffic_local = false;  // externalTrafficPolicy: Local

  bool operator==(const Service&) const = default;
};

// A port of this node that belongs to one pod on it (containerPort with hostPort).
struct HostPort {
  std::string name;  // "namespace/pod"; unique together with protocol, address and port.
  Protocol protocol = Protocol::tcp;
  Ipv4 host_ip;  // Not set: on any local address.
  uint16_t port = 0;
  Ipv4 pod_ip;
  uint16_t pod_port = 0;

  auto operator<=>(const HostPort&) const = default;
};

struct ServiceTable {
  std::vector<Service> services;          // Any order; the rules do not depend on it.
  std::vector<HostPort> host_ports = {};  // Likewise. A service's door goes before a host port.

  bool operator==(const ServiceTable&) const = default;
};

struct NodeNet {
  Cidr pod_cidr;      // This node's pods.
  Cidr cluster_cidr;  // All nodes' pods.
  Cidr service_cidr;
  std::string bridge = "orch0";
  uint16_t node_port_first = 30000;
  uint16_t node_port_last = 32767;

  bool operator==(const NodeNet&) const = default;
};

// ---- Rules as values ----

// Packets that get this bit leave with the node's own address (as kube-proxy's 0x4000 does).
inline constexpr uint32_t kMasqueradeMark = 0x4000;
// Every chain of ours, and nobody else's, starts so.
inline constexpr std::string_view kChainPrefix = "ORCH-";

struct Recent {  // Session affinity: the client's address in a named list.
  enum class Verb : uint8_t { none, check, set };
  Verb verb = Verb::none;
  std::string list;
  uint32_t seconds = 0;  // check: seen within.

  bool operator==(const Recent&) const = default;
};

// What a packet must look like. Everything that is set must hold.
struct Match {
  std::optional<Cidr> source;
  bool not_source = false;
  std::optional<Cidr> destination;
  bool not_destination = false;
  std::optional<Protocol> protocol;
  uint16_t port_first = 0, port_last = 0;  // Destination ports; need protocol. 0: any.
  std::string comment;                     // At most 255 bytes.
  bool to_local_address = false;           // The destination is one of this machine's addresses.
  bool from_local_address = false;         // The source is.
  bool marked = false;                     // kMasqueradeMark is set.
  // Connection tracking's view: NEW, RELATED or ESTABLISHED, INVALID.
  enum class State : uint8_t { any, fresh, flowing, broken } state = State::any;
  uint32_t probability = 0;  // In units of 2^-31; 0: always.
  Recent recent;

  bool operator==(const Match&) const = default;
};

struct Jump {
  std::string chain;
  bool operator==(const Jump&) const = default;
};
enum class Verdict : uint8_t { accept, drop, leave };  // leave: RETURN to the calling chain.
struct Dnat {
  Ipv4 ip;
  uint16_t port = 0;
  bool operator==(const Dnat&) const = default;
};
struct SetMark {  // Sets or clears kMasqueradeMark, leaving the other bits.
  bool on = true;
  bool operator==(const SetMark&) const = default;
};
struct Masquerade {
  bool operator==(const Masquerade&) const = default;
};
struct Reject {  // ICMP port unreachable.
  bool operator==(const Reject&) const = default;
};
using Target = std::variant<Verdict, Jump, Dnat, SetMark, Masquerade, Reject>;

struct Rule {
  Match match;
  Target target = Verdict::accept;

  bool operator==(const Rule&) const = default;
};

struct Chain {
  std::string name;
  std::vector<Rule> rules;

  bool operator==(const Chain&) const = default;
};

struct Table {
  std::string name;           // "nat" or "filter".
  std::vector<Chain> jumps;   // Built-in chains with the rules of ours that belong into them.
  std::vector<Chain> chains;  // Ours, sorted by name.

  bool operator==(const Table&) const = default;
};

struct Tables {
  Table nat;
  Table filter;

  bool operator==(const Tables&) const = default;
};

// The rules for `services` on a node with `node`'s networks. Pure; equal input in any order gives
// an equal value.
Tables rules(const ServiceTable& services, const NodeNet& node);

// The text that iptables-save would print for our part of `table` (without counters).
std::string render_table(const Table& table);

}  // namespace orch::netfilter
