// network: the node's bridge, the pods' links to it, and the routes to other nodes' pods.
//
// Every pod has eth0 in its own network namespace; the other end, in the host, is a port of one
// bridge that carries the first address of the node's pod CIDR. Other nodes' pods are reached by
// plain routes ("host-gw"). All through netlink (libnl-route-3), nothing by running commands.
//
// Every call is idempotent: calling again after a failure or a crash at any point finishes the
// work, and the undo of a thing that is not there is a success. Any thread; no state is kept
// between calls, the kernel is asked. Works in the calling thread's network namespace. Needs
// CAP_NET_ADMIN and CAP_SYS_ADMIN (for entering pods' namespaces). Calls take about 1 ms.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/net_address.h"
#include "base/result.h"

namespace orch::network {

inline constexpr const char* kBridge = "orch0";
inline constexpr const char* kPodInterface = "eth0";
// Routes of ours carry this protocol number, so that we never touch anyone else's
// (see /etc/iproute2/rt_protos; 85 is in nobody's list).
inline constexpr int kRouteProtocol = 85;

struct NodeConfig {
  std::string bridge = kBridge;
  Cidr pod_cidr;
  Cidr service_cidr;  // Gets a route through the bridge, so that VIPs work without a default route.
  int mtu = 1500;
};

// Makes the bridge with the first address of the pod CIDR, switches on forwarding and bridge
// filtering (same-bridge service traffic and network policy need it), routes the service CIDR.
Result<void> setup_node(const NodeConfig& config);

// Removes the bridge, all pod links and all routes of ours. Sysctls stay (others may need them).
Result<void> teardown_node(const std::string& bridge = kBridge);

// "veth" and 8 hex digits of a stable hash: within the kernel's 15 characters.
std::string host_interface_name(std::string_view pod_uid);

struct PodLink {
  std::string netns_path;      // A bind-mounted namespace file, or /proc/<pid>/ns/net.
  std::string host_interface;  // host_interface_name(uid)
  std::string bridge = kBridge;
  Ipv4 ip;
  int prefix_bits = 24;  // Of the node's pod CIDR.
  Ipv4 gateway;
  int mtu = 1500;
};

// Gives the namespace `lo` and `eth0` with address and default route, and plugs the host's end into
// the bridge with hairpin on. On failure what was made is taken out again.
Result<void> attach_pod(const PodLink& link);

// Deletes the link, both ends of it.
Result<void> detach_pod(const std::string& host_interface);

// The host's ends of pod links on `bridge`, sorted, so that the caller can collect orphans.
Result<std::vector<std::string>> list_pod_interfaces(const std::string& bridge = kBridge);

// The address of eth0 in a pod's namespace: what the caller reserves in the Ipam after a restart.
// 404 when there is none.
Result<Ipv4> pod_address(const std::string& netns_path);

// Makes the routes to other nodes' pods be exactly `node_ip_by_pod_cidr`. Routes of others stay.
Result<void> sync_routes(const std::map<Cidr, Ipv4>& node_ip_by_pod_cidr);

// Puts `ip`/32 on `interface` (the cluster DNS address, say), or takes it away.
Result<void> add_local_address(Ipv4 ip, const std::string& interface = kBridge);
Result<void> remove_local_address(Ipv4 ip, const std::string& interface = kBridge);

struct HostInterface {
  std::string name;
  Ipv4 ip;
  int mtu = 0;
};
// The interface of the default route with the lowest metric, else the first one that is up with a
// global address (bridges of ours excluded). 404 when there is none.
Result<HostInterface> default_interface();
// Its address: what the node registers as InternalIP when nobody said otherwise.
Result<Ipv4> default_node_ip();

// Runs `work` inside the network namespace at `netns_path`, on a thread made for it, and waits.
Result<void> with_netns(const std::string& netns_path, const std::function<Result<void>()>& work);

}  // namespace orch::network
