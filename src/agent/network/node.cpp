// The node's side: bridge, sysctls, addresses and routes. See network.h.
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/route/link/bridge.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "agent/network/netlink.h"
#include "agent/network/network.h"
#include "base/fd.h"
#include "base/files.h"

namespace orch::network {
namespace {

// /proc/sys/net shows the namespace of the thread that opens it. Written only when it differs: the
// file may be read-only where the value is right already.
Result<void> set_sysctl(const std::string& path, const std::string& value) {
  if (const auto now = read_file(path, 4096); now.ok() && now->starts_with(value)) return {};
  return make_change("set " + path, [&] {
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd || !write_all(fd.get(), value + "\n")) return -nl_syserr2nlerr(errno);
    return 0;
  });
}

Result<Link> make_bridge(const Netlink& netlink, const NodeConfig& config) {
  if (Link found = ORCH_TRY(netlink.find_link(config.bridge)); found) {
    if (!rtnl_link_is_bridge(found.get()))
      return conflict("interface " + config.bridge + " is there already and is no bridge");
    return found;
  }
  const Link bridge{rtnl_link_bridge_alloc()};
  rtnl_link_set_name(bridge.get(), config.bridge.c_str());
  // Without one of its own, a bridge takes the lowest hardware address of its ports, and changes it
  // as pods come and go.
  set_mac_of(bridge.get(), config.pod_cidr.at(1));
  ORCH_TRY(make_change("create bridge " + config.bridge, [&] {
    const int error = rtnl_link_add(netlink.get(), bridge.get(), NLM_F_CREATE | NLM_F_EXCL);
    return exists_already(error) ? 0 : error;
  }));
  return netlink.link(config.bridge);
}

Result<void> set_mtu(const Netlink& netlink, rtnl_link* link, int mtu) {
  if (static_cast<int>(rtnl_link_get_mtu(link)) == mtu) return {};
  const Link change{rtnl_link_alloc()};
  rtnl_link_set_mtu(change.get(), static_cast<unsigned>(mtu));
  return make_change(std::string("set the MTU of ") + rtnl_link_get_name(link),
                     [&] { return rtnl_link_change(netlink.get(), link, change.get(), 0); });
}

Route make_route(const Cidr& destination) {
  Route route{rtnl_route_alloc()};
  const NlAddr to = make_address(destination);
  rtnl_route_set_family(route.get(), AF_INET);
  rtnl_route_set_table(route.get(), RT_TABLE_MAIN);
  rtnl_route_set_protocol(route.get(), kRouteProtocol);
  // Said outright: what libnl guesses for a deletion matches no route with a gateway.
  rtnl_route_set_scope(route.get(), RT_SCOPE_UNIVERSE);
  rtnl_route_set_dst(route.get(), to.get());
  return route;
}

// Host programs reach VIPs even with no default route: rules rewrite the packet before it would
// leave through the bridge. The source is the bridge's address, which pods know the way to.
Result<void> add_service_route(const Netlink& netlink, const NodeConfig& config, int bridge_index) {
  const Route route = make_route(config.service_cidr);
  rtnl_route_set_scope(route.get(), RT_SCOPE_LINK);
  const NlAddr source = make_address(host_cidr(config.pod_cidr.at(1)));
  rtnl_route_set_pref_src(route.get(), source.get());
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  rtnl_route_nh_set_ifindex(hop, bridge_index);
  rtnl_route_add_nexthop(route.get(), hop);
  return make_change("route " + config.service_cidr.text(), [&] {
    return rtnl_route_add(netlink.get(), route.get(), NLM_F_CREATE | NLM_F_REPLACE);
  });
}

struct NodeRoute {
  Cidr pod_cidr;
  Ipv4 node_ip;

  auto operator<=>(const NodeRoute&) const = default;
};

// Ours that lead to other nodes; the service route has no gateway and is none of them.
Result<std::vector<NodeRoute>> node_routes(const Netlink& netlink) {
  const Objects routes = ORCH_TRY(netlink.routes());
  std::vector<NodeRoute> out;
  for_each<rtnl_route>(routes, [&](rtnl_route* route) {
    if (rtnl_route_get_protocol(route) != kRouteProtocol ||
        rtnl_route_get_table(route) != RT_TABLE_MAIN || rtnl_route_get_nnexthops(route) != 1)
      return;
    const Ipv4 gateway = to_ipv4(rtnl_route_nh_get_gateway(rtnl_route_nexthop_n(route, 0)));
    nl_addr* to = rtnl_route_get_dst(route);
    if (gateway.is_set())
      out.push_back({{to_ipv4(to), static_cast<int>(nl_addr_get_prefixlen(to))}, gateway});
  });
  return out;
}

Result<void> add_node_route(const Netlink& netlink, const NodeRoute& wanted) {
  const Route route = make_route(wanted.pod_cidr);
  rtnl_nexthop* hop = rtnl_route_nh_alloc();
  const NlAddr gateway = make_address(host_cidr(wanted.node_ip));
  rtnl_route_nh_set_gateway(hop, gateway.get());
  rtnl_route_add_nexthop(route.get(), hop);
  return make_change("route " + wanted.pod_cidr.text() + " via " + wanted.node_ip.text(), [&] {
    return rtnl_route_add(netlink.get(), route.get(), NLM_F_CREATE | NLM_F_REPLACE);
  });
}

Result<void> remove_node_route(const Netlink& netlink, const NodeRoute& unwanted) {
  const Route route = make_route(unwanted.pod_cidr);
  return make_change("remove route " + unwanted.pod_cidr.text(), [&] {
    const int error = rtnl_route_delete(netlink.get(), route.get(), 0);
    return is_missing(error) ? 0 : error;
  });
}

}  // namespace

Result<void> setup_node(const NodeConfig& config) {
  const Netlink netlink = ORCH_TRY(Netlink::open());
  const Link bridge = ORCH_TRY(make_bridge(netlink, config));
  const int index = rtnl_link_get_ifindex(bridge.get());
  ORCH_TRY(set_mtu(netlink, bridge.get(), config.mtu));
  ORCH_TRY(netlink.add_address(index, config.pod_cidr.at(1), config.pod_cidr.bits));
  ORCH_TRY(netlink.set_up(bridge.get()));
  ORCH_TRY(add_service_route(netlink, config, index));
  ORCH_TRY(set_sysctl("/proc/sys/net/ipv4/ip_forward", "1"));
  // The service route leads back to where pods' packets come from. The kernel would tell pods to
  // find a VIP without us, and use up the ration of ICMP that a reject needs. The interface's value
  // and the one for "all" are or-ed; other interfaces keep their own.
  for (const std::string& scope : {std::string("all"), config.bridge})
    ORCH_TRY(set_sysctl("/proc/sys/net/ipv4/conf/" + scope + "/send_redirects", "0"));
  const std::string bridge_filter = "/proc/sys/net/bridge/bridge-nf-call-iptables";
  if (file_exists(bridge_filter)) ORCH_TRY(set_sysctl(bridge_filter, "1"));
  return {};
}

Result<void> teardown_node(const std::string& bridge) {
  const Netlink netlink = ORCH_TRY(Netlink::open());
  ORCH_TRY(sync_routes({}));
  const std::vector<std::string> ports = ORCH_TRY(list_pod_interfaces(bridge));
  for (const std::string& port : ports) ORCH_TRY(netlink.delete_link(port));
  return netlink.delete_link(bridge);  // Its addresses and the service route go with it.
}

Result<void> sync_routes(const std::map<Cidr, Ipv4>& node_ip_by_pod_cidr) {
  const Netlink netlink = ORCH_TRY(Netlink::open());
  const std::vector<NodeRoute> found = ORCH_TRY(node_routes(netlink));
  std::set<NodeRoute> right;
  for (const NodeRoute& route : found) {
    const auto wanted = node_ip_by_pod_cidr.find(route.pod_cidr);
    if (wanted == node_ip_by_pod_cidr.end()) {
      ORCH_TRY(remove_node_route(netlink, route));
    } else if (wanted->second == route.node_ip) {
      right.insert(route);
    }
  }
  // One node that can't be reached must not cost the others their routes.
  Result<void> outcome;
  for (const auto& [pod_cidr, node_ip] : node_ip_by_pod_cidr) {
    const NodeRoute wanted{pod_cidr, node_ip};
    if (right.contains(wanted)) continue;
    if (auto added = add_node_route(netlink, wanted); !added && outcome.ok())
      outcome = std::move(added);
  }
  return outcome;
}

Result<void> add_local_address(Ipv4 ip, const std::string& interface) {
  const Netlink netlink = ORCH_TRY(Netlink::open());
  const Link link = ORCH_TRY(netlink.link(interface));
  return netlink.add_address(rtnl_link_get_ifindex(link.get()), ip, 32);
}

Result<void> remove_local_address(Ipv4 ip, const std::string& interface) {
  const Netlink netlink = ORCH_TRY(Netlink::open());
  const Link link = ORCH_TRY(netlink.find_link(interface));
  if (!link) return {};
  return netlink.remove_address(rtnl_link_get_ifindex(link.get()), ip, 32);
}

}  // namespace orch::network
