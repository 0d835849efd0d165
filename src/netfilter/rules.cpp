// Services → chains; see the header for the shape. Top to bottom: names, one service's chains, the
// tables. How a packet finds its service's chain is in dispatch.cpp.
#include "netfilter/rules.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "netfilter/dispatch.h"

namespace orch::netfilter {
namespace {

constexpr uint64_t kAlways = 1u << 31;  // The unit of Match::probability.

// ---- Names ----

// 64 bits of FNV-1a, mixed once more, as 13 characters of a base-32 alphabet: with its prefix a
// name stays within the 28 characters of a chain, and the same service keeps its name for ever.
std::string hash_name(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const unsigned char c : text) hash = (hash ^ c) * 0x100000001b3;
  hash ^= hash >> 32;
  hash *= 0x9e3779b97f4a7c15;
  hash ^= hash >> 29;
  std::string name;
  for (int shift = 0; shift < 64; shift += 5)
    name += "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[hash >> shift & 31];
  return name;
}

// Names that are unique even where somebody chose service names whose hashes collide.
class UniqueNames {
 public:
  std::string make(const std::string& text) {
    std::string name = hash_name(text);
    for (int salt = 1; !used_.insert(name).second; ++salt)
      name = hash_name(text + "#" + std::to_string(salt));
    return name;
  }

 private:
  std::set<std::string> used_;
};

// ---- One service ----

Rule mark_rule(Match match = {}) { return {std::move(match), SetMark{true}}; }

// Builds the "nat" chains of services, and collects their doors.
class ServiceChains {
 public:
  ServiceChains(ChainSet& chains, const NodeNet& node) : chains_(chains), node_(node) {}

  std::vector<Door> doors;       // nat: doors with somebody behind them.
  std::vector<Door> shut_doors;  // filter: reject or drop.

  void add(const Service& service) {
    const std::string id = names_.make(service.name + "/" + protocol_name(service.protocol));
    std::vector<Endpoint> everywhere = service.endpoints;
    std::sort(everywhere.begin(), everywhere.end());
    std::vector<Endpoint> here;
    std::copy_if(everywhere.begin(), everywhere.end(), std::back_inserter(here),
                 [](const Endpoint& endpoint) { return endpoint.local; });

    const bool has_external = service.node_port != 0 || !service.external_ips.empty();
    const bool wants_all =
        !service.internal_traffic_local || has_external;  // Pods and the node itself see all.
    const bool wants_local =
        service.internal_traffic_local || (has_external && service.external_traffic_local);
    const std::string all_chain = "ORCH-SVC-" + id, local_chain = "ORCH-SVL-" + id;
    if (wants_all && !everywhere.empty()) add_choice(all_chain, service, everywhere);
    if (wants_local && !here.empty()) add_choice(local_chain, service, here);

    const bool internal_open = !(service.internal_traffic_local ? here : everywhere).empty();
    const Target shut = everywhere.empty() ? Target(Reject{}) : Target(Verdict::drop);
    if (service.cluster_ip.is_set())
      add_door(service.cluster_ip, service.port, service, internal_open,
               Jump{service.internal_traffic_local ? local_chain : all_chain}, shut);
    if (!has_external) return;

    if (!everywhere.empty())
      add_external("ORCH-EXT-" + id, service, all_chain, here.empty() ? "" : local_chain);
    const Target external = Jump{"ORCH-EXT-" + id};
    const bool open = !everywhere.empty();
    // Local policy without a local backend: pods and the node itself get through (their packets
    // have another destination by the time they reach the filter), all others are dropped, which
    // is what a load balancer's health check needs to see.
    const bool shut_to_others = service.external_traffic_local && here.empty();
    std::vector<std::pair<Ipv4, uint16_t>> places;
    for (const Ipv4 ip : service.external_ips) places.emplace_back(ip, service.port);
    if (service.node_port != 0) places.emplace_back(Ipv4{}, service.node_port);
    for (const auto& [ip, port] : places) {
      add_door(ip, port, service, open, external, shut);
      if (open && shut_to_others) add_door(ip, port, service, false, external, shut);
    }
  }

  void add(const HostPort& host_port) {
    Service alone;
    alone.name = host_port.name;
    alone.protocol = host_port.protocol;
    const Endpoint pod{host_port.pod_ip, host_port.pod_port, true};
    add_door(host_port.host_ip, host_port.port, alone, true, Jump{endpoint_chain(alone, pod)}, {});
  }

 private:
  void add_door(Ipv4 ip, uint16_t port, const Service& service, bool open, const Target& target,
                const Target& shut) {
    (open ? doors : shut_doors)
        .push_back({ip, service.protocol, port, service.name.substr(0, 255), open ? target : shut});
  }

  // The traffic from outside the cluster. It has to come back through this node, so it is
  // masqueraded, unless only local backends may have it: those see the client's address.
  void add_external(const std::string& chain, const Service& service, const std::string& all_chain,
                    const std::string& local_chain) {
    auto& rules = chains_.at(chain);
    if (!service.external_traffic_local) {
      rules.push_back(mark_rule());
      rules.push_back({{}, Jump{all_chain}});
      return;
    }
    Match from_pod;
    from_pod.source = node_.pod_cidr;
    rules.push_back({from_pod, Jump{all_chain}});
    Match from_node;
    from_node.from_local_address = true;
    rules.push_back(mark_rule(from_node));
    rules.push_back({from_node, Jump{all_chain}});
    if (!local_chain.empty()) rules.push_back({{}, Jump{local_chain}});
  }

  // One of `endpoints` at random, each with the same chance; a client that has affinity first goes
  // where it went before.
  void add_choice(const std::string& chain, const Service& service,
                  const std::vector<Endpoint>& endpoints) {
    std::vector<Rule> remembered, chosen;
    for (size_t i = 0; i < endpoints.size(); ++i) {
      const Endpoint& endpoint = endpoints[i];
      Rule choice;
      if (const uint64_t left = endpoints.size() - i; left > 1)
        choice.match.probability = static_cast<uint32_t>((kAlways + left / 2) / left);
      if (!endpoint.local && service.session_affinity_s == 0) {
        choice.match.protocol = service.protocol;
        choice.target = Dnat{endpoint.ip, endpoint.port};
      } else {
        const std::string own = endpoint_chain(service, endpoint);
        choice.target = Jump{own};
        if (service.session_affinity_s != 0) {
          Match seen;
          seen.recent = {Recent::Verb::check, own, service.session_affinity_s};
          remembered.push_back({seen, Jump{own}});
        }
      }
      chosen.push_back(std::move(choice));
    }
    auto& rules = chains_.at(chain);
    rules = std::move(remembered);
    rules.insert(rules.end(), chosen.begin(), chosen.end());
  }

  // The chain of one endpoint: hairpin traffic (from the pod to itself) must be masqueraded, or
  // the pod would answer itself directly; affinity notes the client.
  std::string endpoint_chain(const Service& service, const Endpoint& endpoint) {
    const std::string key = service.name + "/" + protocol_name(service.protocol) + "/" +
                            endpoint.ip.text() + ":" + std::to_string(endpoint.port);
    const auto [entry, is_new] = endpoint_chains_.try_emplace(key);
    if (!is_new) return entry->second;
    entry->second = "ORCH-SEP-" + endpoint_names_.make(key);
    auto& rules = chains_.at(entry->second);
    if (endpoint.local) {
      Match from_itself;
      from_itself.source = host_cidr(endpoint.ip);
      rules.push_back(mark_rule(from_itself));
    }
    Rule dnat;
    dnat.match.protocol = service.protocol;
    if (service.session_affinity_s != 0) dnat.match.recent = {Recent::Verb::set, entry->second, 0};
    dnat.target = Dnat{endpoint.ip, endpoint.port};
    rules.push_back(std::move(dnat));
    return entry->second;
  }

  ChainSet& chains_;
  const NodeNet& node_;
  UniqueNames names_, endpoint_names_;
  std::map<std::string, std::string> endpoint_chains_;
};

// ---- Tables ----

void add_masquerade(ChainSet& nat, const NodeNet& node) {
  Match marked;
  marked.marked = true;
  nat.at("ORCH-POSTROUTING").push_back({marked, Jump{"ORCH-MASQUERADE"}});
  Match leaving;  // Nobody outside the cluster knows the way to a pod's address.
  leaving.source = node.pod_cidr;
  leaving.destination = node.cluster_cidr;
  leaving.not_destination = true;
  nat.at("ORCH-POSTROUTING").push_back({leaving, Masquerade{}});
  // The mark goes first: a packet may pass this hook again (IPsec, bridges).
  nat.at("ORCH-MASQUERADE") = {{{}, SetMark{false}}, {{}, Masquerade{}}};
}

void add_forward(ChainSet& filter, const NodeNet& node) {
  auto& rules = filter.at("ORCH-FORWARD");
  Match fresh, broken, marked, from_pods, to_pods, flowing;
  fresh.state = Match::State::fresh;
  rules.push_back({fresh, Jump{"ORCH-SERVICES"}});
  // Packets that connection tracking can't place would leave without their translation, and a
  // client that sees them resets its connection.
  broken.state = Match::State::broken;
  rules.push_back({broken, Verdict::drop});
  marked.marked = true;
  rules.push_back({marked, Verdict::accept});
  from_pods.source = node.cluster_cidr;
  rules.push_back({from_pods, Verdict::accept});
  to_pods.destination = node.cluster_cidr;
  rules.push_back({to_pods, Verdict::accept});
  flowing.state = Match::State::flowing;
  rules.push_back({flowing, Verdict::accept});
}

}  // namespace

Tables rules(const ServiceTable& table, const NodeNet& node) {
  std::vector<const Service*> services;
  for (const Service& service : table.services) services.push_back(&service);
  std::sort(services.begin(), services.end(), [](const Service* a, const Service* b) {
    return std::tie(a->name, a->protocol, a->cluster_ip, a->port) <
           std::tie(b->name, b->protocol, b->cluster_ip, b->port);
  });

  ChainSet nat, filter;
  Match to_services;  // Answers to strangers must come back through this node: once for all.
  to_services.source = node.pod_cidr;
  to_services.not_source = true;
  to_services.destination = node.service_cidr;
  nat.at("ORCH-SERVICES").push_back(mark_rule(to_services));
  ServiceChains chains(nat, node);
  for (const Service* service : services) chains.add(*service);
  std::vector<HostPort> host_ports = table.host_ports;
  std::sort(host_ports.begin(), host_ports.end());
  for (const HostPort& host_port : host_ports) chains.add(host_port);
  add_dispatch(nat, std::move(chains.doors), node);
  add_masquerade(nat, node);

  add_dispatch(filter, std::move(chains.shut_doors), node);
  add_forward(filter, node);

  const Rule to_services_chain{{}, Jump{"ORCH-SERVICES"}};
  Rule fresh_to_services = to_services_chain;
  fresh_to_services.match.state = Match::State::fresh;
  return {
      .nat = {.name = "nat",
              .jumps = {{"PREROUTING", {to_services_chain}},
                        {"OUTPUT", {to_services_chain}},
                        {"POSTROUTING", {{{}, Jump{"ORCH-POSTROUTING"}}}}},
              .chains = nat.take()},
      .filter = {.name = "filter",
                 .jumps = {{"INPUT", {fresh_to_services}},
                           {"FORWARD", {{{}, Jump{"ORCH-FORWARD"}}}},
                           {"OUTPUT", {fresh_to_services}}},
                 .chains = filter.take()},
  };
}

}  // namespace orch::netfilter
