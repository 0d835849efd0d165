// What the host already has: its own address; and a visit to another namespace. See network.h.
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>

#include <cerrno>
#include <limits>
#include <system_error>
#include <thread>

#include "agent/network/netlink.h"
#include "agent/network/network.h"
#include "base/fd.h"

namespace orch::network {
namespace {

// 0 when there is no default route.
int default_route_interface(const Objects& routes) {
  int index = 0;
  uint32_t best = std::numeric_limits<uint32_t>::max();
  for_each<rtnl_route>(routes, [&](rtnl_route* route) {
    if (rtnl_route_get_table(route) != RT_TABLE_MAIN ||
        nl_addr_get_prefixlen(rtnl_route_get_dst(route)) != 0 ||
        rtnl_route_get_nnexthops(route) < 1)
      return;
    const uint32_t metric = rtnl_route_get_priority(route);
    if (index != 0 && metric >= best) return;
    best = metric;
    index = rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, 0));
  });
  return index;
}

Ipv4 global_address(const Objects& addresses, int link_index) {
  Ipv4 ip;
  for_each<rtnl_addr>(addresses, [&](rtnl_addr* address) {
    const Ipv4 local = to_ipv4(rtnl_addr_get_local(address));
    if (!ip.is_set() && rtnl_addr_get_ifindex(address) == link_index && local.is_set() &&
        rtnl_addr_get_scope(address) == RT_SCOPE_UNIVERSE)
      ip = local;
  });
  return ip;
}

}  // namespace

Result<HostInterface> default_interface() {
  const Netlink netlink = ORCH_TRY(Netlink::open());
  const Objects routes = ORCH_TRY(netlink.routes());
  const Objects addresses = ORCH_TRY(netlink.addresses());
  const Objects links = ORCH_TRY(netlink.links());
  const int wanted = default_route_interface(routes);
  HostInterface by_route, first;
  for_each<rtnl_link>(links, [&](rtnl_link* link) {
    const int index = rtnl_link_get_ifindex(link);
    const HostInterface here{rtnl_link_get_name(link), global_address(addresses, index),
                             static_cast<int>(rtnl_link_get_mtu(link))};
    const unsigned flags = rtnl_link_get_flags(link);
    if (!here.ip.is_set()) return;
    if (index == wanted) by_route = here;
    if (!first.ip.is_set() && (flags & IFF_UP) && !(flags & IFF_LOOPBACK) && here.name != kBridge)
      first = here;
  });
  if (by_route.ip.is_set()) return by_route;
  if (first.ip.is_set()) return first;
  return not_found("no network interface with a global IPv4 address; set the node's address");
}

Result<Ipv4> default_node_ip() {
  const HostInterface found = ORCH_TRY(default_interface());
  return found.ip;
}

Result<void> with_netns(const std::string& netns_path, const std::function<Result<void>()>& work) {
  const UniqueFd netns(::open(netns_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns) return system_error("open " + netns_path, errno);
  Result<void> outcome;
  // A thread of its own: one that could not come back would carry its next work into the pod.
  try {
    std::thread([&] {
      outcome = ::setns(netns.get(), CLONE_NEWNET) == 0
                    ? work()
                    : Result<void>(system_error("enter " + netns_path, errno));
    }).join();
  } catch (const std::system_error& error) {
    return internal_error("start a thread: " + std::string(error.what()));
  }
  return outcome;
}

}  // namespace orch::network
