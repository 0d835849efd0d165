// The pods' side: veth pairs between namespaces and the bridge. See network.h.
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/link/bridge.h>
#include <netlink/route/link/veth.h>

#include <algorithm>
#include <cerrno>

#include "agent/network/netlink.h"
#include "agent/network/network.h"
#include "base/fd.h"
#include "base/log.h"

namespace orch::network {
namespace {

// Both ends at once: the peer is born inside the pod, under its final name.
Result<void> create_pair(const Netlink& host, const Netlink& pod, const PodLink& link,
                         int bridge_index) {
  const Link found = ORCH_TRY(host.find_link(link.host_interface));
  const Link found_peer = ORCH_TRY(pod.find_link(kPodInterface));
  if (found && found_peer) return {};
  // Half a pair is left of an attempt in another namespace, or of a namespace that is dying.
  if (found) ORCH_TRY(host.delete_link(link.host_interface));
  if (found_peer) ORCH_TRY(pod.delete_link(kPodInterface));

  const UniqueFd netns(::open(link.netns_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!netns) return system_error("open " + link.netns_path, errno);
  const Link veth{rtnl_link_veth_alloc()};
  const Link peer{rtnl_link_veth_get_peer(veth.get())};
  rtnl_link_set_name(veth.get(), link.host_interface.c_str());
  rtnl_link_set_mtu(veth.get(), static_cast<unsigned>(link.mtu));
  rtnl_link_set_master(veth.get(), bridge_index);
  rtnl_link_set_flags(veth.get(), IFF_UP);
  rtnl_link_set_name(peer.get(), kPodInterface);
  rtnl_link_set_mtu(peer.get(), static_cast<unsigned>(link.mtu));
  rtnl_link_set_ns_fd(peer.get(), netns.get());
  set_mac_of(peer.get(), link.ip);
  return make_change("create " + link.host_interface, [&] {
    return rtnl_link_add(host.get(), veth.get(), NLM_F_CREATE | NLM_F_EXCL);
  });
}

// A pod that reaches itself through a service address gets its packets back on the port they came
// from, which a bridge does only when told to.
Result<void> set_hairpin(const Netlink& host, const PodLink& link, int bridge_index) {
  const Link port = ORCH_TRY(host.link(link.host_interface));
  const Link change{rtnl_link_alloc()};
  rtnl_link_set_ifindex(change.get(), rtnl_link_get_ifindex(port.get()));
  rtnl_link_set_family(change.get(), AF_BRIDGE);
  rtnl_link_set_master(change.get(), bridge_index);
  rtnl_link_bridge_set_flags(change.get(), RTNL_BRIDGE_HAIRPIN_MODE);
  return make_change("set hairpin on " + link.host_interface,
                     [&] { return rtnl_link_change(host.get(), change.get(), change.get(), 0); });
}

Result<void> add_default_route(const Netlink& pod, const PodLink& link, int interface_index) {
  const Route route{rtnl_route_alloc()};
  const NlAddr everywhere = make_address(Cidr{});
  const NlAddr gateway = make_address(host_cidr(link.gateway));
  rtnl_route_set_family(route.get(), AF_INET);
  rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
  rtnl_route_set_dst(route.get(), everywhere.get());
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  rtnl_route_nh_set_gateway(hop, gateway.get());
  rtnl_route_nh_set_ifindex(hop, interface_index);
  rtnl_route_add_nexthop(route.get(), hop);
  return make_change("add the default route", [&] {
    return rtnl_route_add(pod.get(), route.get(), NLM_F_CREATE | NLM_F_REPLACE);
  });
}

Result<void> configure_inside(const Netlink& pod, const PodLink& link) {
  const Link loopback = ORCH_TRY(pod.link("lo"));
  ORCH_TRY(pod.set_up(loopback.get()));
  const Link interface = ORCH_TRY(pod.link(kPodInterface));
  const int index = rtnl_link_get_ifindex(interface.get());
  ORCH_TRY(pod.add_address(index, link.ip, link.prefix_bits));
  ORCH_TRY(pod.set_up(interface.get()));
  return add_default_route(pod, link, index);
}

Result<void> attach(const PodLink& link) {
  const Netlink host = ORCH_TRY(Netlink::open());
  const Netlink pod = ORCH_TRY(Netlink::open_in(link.netns_path));
  const Link bridge = ORCH_TRY(host.link(link.bridge));
  const int bridge_index = rtnl_link_get_ifindex(bridge.get());
  ORCH_TRY(create_pair(host, pod, link, bridge_index));
  ORCH_TRY(set_hairpin(host, link, bridge_index));
  return configure_inside(pod, link);
}

}  // namespace

std::string host_interface_name(std::string_view pod_uid) {
  uint32_t hash = 0x811c9dc5;  // FNV-1a, mixed once more.
  for (const unsigned char c : pod_uid) hash = (hash ^ c) * 0x01000193;
  hash ^= hash >> 16;
  hash *= 0x7feb352d;
  hash ^= hash >> 15;
  char name[16];
  std::snprintf(name, sizeof name, "veth%08x", hash);
  return name;
}

Result<void> attach_pod(const PodLink& link) {
  auto attached = attach(link);
  if (attached) return attached;
  if (const auto undone = detach_pod(link.host_interface); !undone)
    log::warning("network", "left behind: " + undone.status().message);
  return std::move(attached).status().in("network of " + link.netns_path);
}

Result<void> detach_pod(const std::string& host_interface) {
  const Netlink host = ORCH_TRY(Netlink::open());
  return host.delete_link(host_interface);
}

Result<std::vector<std::string>> list_pod_interfaces(const std::string& bridge) {
  const Netlink host = ORCH_TRY(Netlink::open());
  const Link found = ORCH_TRY(host.find_link(bridge));
  std::vector<std::string> names;
  if (!found) return names;
  const int bridge_index = rtnl_link_get_ifindex(found.get());
  const Objects links = ORCH_TRY(host.links());
  for_each<rtnl_link>(links, [&](rtnl_link* link) {
    const std::string name = rtnl_link_get_name(link);
    if (rtnl_link_get_master(link) == bridge_index && name.starts_with("veth"))
      names.push_back(name);
  });
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

Result<Ipv4> pod_address(const std::string& netns_path) {
  const Netlink pod = ORCH_TRY(Netlink::open_in(netns_path));
  const Link interface = ORCH_TRY(pod.link(kPodInterface));
  const Objects addresses = ORCH_TRY(pod.addresses());
  Ipv4 ip;
  for_each<rtnl_addr>(addresses, [&](rtnl_addr* address) {
    const Ipv4 local = to_ipv4(rtnl_addr_get_local(address));
    if (rtnl_addr_get_ifindex(address) == rtnl_link_get_ifindex(interface.get()) && local.is_set())
      ip = local;
  });
  if (!ip.is_set()) return not_found("eth0 in " + netns_path + " has no address");
  return ip;
}

}  // namespace orch::network
