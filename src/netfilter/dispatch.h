// dispatch: how a packet finds its service: the chains of a table while they grow, and the two
// trees (by address and by node port) that lead to services. Room-private; for rules.cpp. Pure.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "netfilter/rules.h"

namespace orch::netfilter {

// Where packets for a service arrive, and what becomes of them.
struct Door {
  Ipv4 ip;  // Not set: a node port, on any local address.
  Protocol protocol = Protocol::tcp;
  uint16_t port = 0;
  std::string comment;
  Target target = Verdict::leave;
};

// The chains of one table while they grow. A std::map keeps them sorted by name.
class ChainSet {
 public:
  std::vector<Rule>& at(const std::string& name) { return rules_[name]; }

  std::vector<Chain> take() {
    std::vector<Chain> chains;
    chains.reserve(rules_.size());
    for (auto& [name, rules] : rules_) chains.push_back({name, std::move(rules)});
    return chains;
  }

 private:
  std::map<std::string, std::vector<Rule>> rules_;
};

const char* protocol_name(Protocol protocol);  // "tcp", "udp"

// Fills the chain ORCH-SERVICES, which leads to all `doors`. Node ports come last: what reaches
// them is addressed to this machine and to nothing else that we know.
void add_dispatch(ChainSet& chains, std::vector<Door> doors, const NodeNet& node);

}  // namespace orch::netfilter
