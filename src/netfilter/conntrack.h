// conntrack: lets go of UDP flows whose backend is gone.
//
// The kernel chooses a backend once per flow, and a UDP flow lives as long as packets come; a
// client that keeps its port would talk to a dead pod forever. So after UDP endpoints changed,
// entries that today's rules would not make are deleted through ctnetlink. (TCP needs none of
// this: its connections end by themselves.)
#pragma once

#include <vector>

#include "base/result.h"
#include "netfilter/rules.h"

namespace orch::netfilter {

// One tracked UDP flow: where the client sent to, and who answers.
struct UdpFlow {
  Ipv4 client;
  uint16_t client_port = 0;
  Ipv4 destination;
  uint16_t destination_port = 0;
  Ipv4 answerer;
  uint16_t answerer_port = 0;

  auto operator<=>(const UdpFlow&) const = default;
};

// True when going from `before` to `after` can leave stale UDP flows behind. Pure.
bool udp_backends_changed(const ServiceTable& before, const ServiceTable& after);

// Those of `flows` that the rules for `services` would not send where they go now. Pure.
std::vector<UdpFlow> stale_flows(const std::vector<UdpFlow>& flows, const ServiceTable& services,
                                 const NodeNet& node);

// Deletes the stale flows of this network namespace; answers how many. Any thread; blocks for some
// ms (45 ms for 18,000 tracked flows). Needs CAP_NET_ADMIN.
Result<int> forget_stale_flows(const ServiceTable& services, const NodeNet& node);

}  // namespace orch::netfilter
