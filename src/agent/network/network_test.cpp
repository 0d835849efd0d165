// The real thing, in network namespaces made by the test: bridge, pods, routes, traffic between
// pods, and every change failing once.
#include "agent/network/network.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netlink/route/link/bridge.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "agent/network/netlink.h"
#include "base/fd.h"
#include "base/files.h"

namespace orch::network {
namespace {

// The calling thread in a new, empty network namespace, until the end of the scope.
class FreshNetns {
 public:
  FreshNetns() : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (::unshare(CLONE_NEWNET) != 0) SKIP("needs root: can't make a network namespace");
  }
  ~FreshNetns() { ORCH_CHECK(::setns(before_.get(), CLONE_NEWNET) == 0); }

 private:
  UniqueFd before_;
};

// A pod's namespace, kept alive by a descriptor.
class PodNetns {
 public:
  PodNetns() {
    std::thread([this] {
      ORCH_CHECK(::unshare(CLONE_NEWNET) == 0);
      fd_ = UniqueFd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    }).join();
  }
  std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

 private:
  UniqueFd fd_;
};

NodeConfig test_config() {
  NodeConfig config;
  config.pod_cidr = *parse_cidr("10.42.0.0/24");
  config.service_cidr = *parse_cidr("10.43.0.0/16");
  config.mtu = 1400;
  return config;
}

PodLink link_of(const PodNetns& pod, const char* uid, const char* ip) {
  PodLink link;
  link.netns_path = pod.path();
  link.host_interface = host_interface_name(uid);
  link.ip = *parse_ipv4(ip);
  link.gateway = *parse_ipv4("10.42.0.1");
  link.mtu = 1400;
  return link;
}

sockaddr_in to_sockaddr(Ipv4 ip, uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(ip.value);
  return address;
}

// What a TCP server in `server` sees of a client in `client`: the client's address.
Result<std::string> peer_seen(const PodNetns& server, Ipv4 server_ip, const PodNetns& client) {
  UniqueFd listener, connection;
  ORCH_TRY(with_netns(server.path(), [&]() -> Result<void> {
    listener = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in any = to_sockaddr({}, 8080);
    if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&any), sizeof any) != 0 ||
        ::listen(listener.get(), 8) != 0)
      return system_error("listen", errno);
    return {};
  }));
  ORCH_TRY(with_netns(client.path(), [&]() -> Result<void> {
    connection = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{5, 0};
    ::setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    const sockaddr_in to = to_sockaddr(server_ip, 8080);
    if (::connect(connection.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
      return system_error("connect", errno);
    return {};
  }));
  sockaddr_in from{};
  socklen_t length = sizeof from;
  const UniqueFd accepted(
      ::accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_CLOEXEC));
  if (!accepted) return system_error("accept", errno);
  return Ipv4{ntohl(from.sin_addr.s_addr)}.text();
}

bool has_hairpin(const std::string& port) {
  const Netlink netlink = Netlink::open().value();
  nl_cache* cache = nullptr;
  REQUIRE(rtnl_link_alloc_cache(netlink.get(), AF_BRIDGE, &cache) == 0);
  const Objects ports{cache};
  bool hairpin = false;
  for_each<rtnl_link>(ports, [&](rtnl_link* link) {
    if (rtnl_link_get_name(link) == port)
      hairpin = rtnl_link_bridge_get_flags(link) & RTNL_BRIDGE_HAIRPIN_MODE;
  });
  return hairpin;
}

int count_routes_of_ours() {
  const Netlink netlink = Netlink::open().value();
  const Objects routes = netlink.routes().value();
  int count = 0;
  for_each<rtnl_route>(routes, [&](rtnl_route* route) {
    count += rtnl_route_get_protocol(route) == kRouteProtocol;
  });
  return count;
}

TEST_CASE("network: interface names are stable and short") {
  const std::string name = host_interface_name("0b1c2d3e-aaaa-4bbb-8ccc-0123456789ab");
  CHECK(name.size() == 12);
  CHECK(name.starts_with("veth"));
  CHECK(name == host_interface_name("0b1c2d3e-aaaa-4bbb-8ccc-0123456789ab"));
  CHECK(name != host_interface_name("0b1c2d3e-aaaa-4bbb-8ccc-0123456789ac"));
}

TEST_CASE("network: a node is set up twice and torn down twice") {
  const FreshNetns host;
  for (int i = 0; i < 2; ++i) {
    const auto done = setup_node(test_config());
    REQUIRE(done.ok());
  }
  CHECK(read_file("/proc/sys/net/ipv4/ip_forward").value() == "1\n");
  CHECK(read_file("/proc/sys/net/ipv4/conf/orch0/send_redirects").value() == "0\n");
  CHECK(count_routes_of_ours() == 1);
  const Netlink netlink = Netlink::open().value();
  const Link bridge = netlink.link(kBridge).value();
  CHECK(rtnl_link_get_mtu(bridge.get()) == 1400);

  REQUIRE(add_local_address(*parse_ipv4("10.43.0.10")).ok());
  REQUIRE(add_local_address(*parse_ipv4("10.43.0.10")).ok());
  REQUIRE(remove_local_address(*parse_ipv4("10.43.0.10")).ok());
  REQUIRE(remove_local_address(*parse_ipv4("10.43.0.10")).ok());

  for (int i = 0; i < 2; ++i) REQUIRE(teardown_node().ok());
  CHECK_FALSE(netlink.find_link(kBridge).value());
  CHECK(count_routes_of_ours() == 0);
  CHECK(add_local_address(*parse_ipv4("10.43.0.10")).status().not_found());
}

TEST_CASE("network: pods talk to each other under their own addresses") {
  const FreshNetns host;
  REQUIRE(setup_node(test_config()).ok());
  const PodNetns a, b;
  for (int i = 0; i < 2; ++i) {
    const auto attached = attach_pod(link_of(a, "uid-a", "10.42.0.5"));
    REQUIRE(attached.ok());
    REQUIRE(attach_pod(link_of(b, "uid-b", "10.42.0.6")).ok());
  }
  CHECK(list_pod_interfaces().value().size() == 2);
  CHECK(pod_address(a.path()).value().text() == "10.42.0.5");
  const auto seen = peer_seen(a, *parse_ipv4("10.42.0.5"), b);
  REQUIRE(seen.ok());
  CHECK(*seen == "10.42.0.6");

  const std::string port = host_interface_name("uid-a");
  CHECK(has_hairpin(port));

  for (int i = 0; i < 2; ++i) REQUIRE(detach_pod(port).ok());
  CHECK(list_pod_interfaces().value() == std::vector<std::string>{host_interface_name("uid-b")});
  CHECK(pod_address(a.path()).status().not_found());
  REQUIRE(teardown_node().ok());
  CHECK(pod_address(b.path()).status().not_found());
}

TEST_CASE("network: whichever change fails, nothing is left and a second try works") {
  const FreshNetns host;
  REQUIRE(setup_node(test_config()).ok());
  int failures = 0;
  for (int n = 1;; ++n) {
    const PodNetns pod;
    const PodLink link = link_of(pod, "uid", "10.42.0.5");
    fail_at_change = n;
    const auto attached = attach_pod(link);
    const bool reached = fail_at_change == 0;
    fail_at_change = 0;
    if (!reached) {
      CHECK(attached.ok());
      REQUIRE(detach_pod(link.host_interface).ok());
      break;
    }
    ++failures;
    CAPTURE(n);
    CHECK_FALSE(attached.ok());
    CHECK(list_pod_interfaces().value().empty());
    CHECK(pod_address(pod.path()).status().not_found());
    REQUIRE(attach_pod(link).ok());
    CHECK(pod_address(pod.path()).value() == link.ip);
    REQUIRE(detach_pod(link.host_interface).ok());
  }
  CHECK(failures >= 6);  // Pair, hairpin, lo, address, eth0, route.
}

TEST_CASE("network: setting up a node survives the failure of any change") {
  int failures = 0;
  for (int n = 1;; ++n) {
    const FreshNetns host;
    fail_at_change = n;
    const auto first = setup_node(test_config());
    const bool reached = fail_at_change == 0;
    fail_at_change = 0;
    CAPTURE(n);
    CHECK(first.ok() == !reached);
    REQUIRE(setup_node(test_config()).ok());
    CHECK(count_routes_of_ours() == 1);
    REQUIRE(teardown_node().ok());
    if (!reached) break;
    ++failures;
  }
  CHECK(failures >= 4);
}

TEST_CASE("network: half a link of a dead attempt is replaced") {
  const FreshNetns host;
  REQUIRE(setup_node(test_config()).ok());
  const PodNetns old_pod, new_pod;
  REQUIRE(attach_pod(link_of(old_pod, "uid", "10.42.0.5")).ok());
  REQUIRE(attach_pod(link_of(new_pod, "uid", "10.42.0.5")).ok());
  CHECK(pod_address(new_pod.path()).value().text() == "10.42.0.5");
  CHECK(pod_address(old_pod.path()).status().not_found());
}

TEST_CASE("network: routes to other nodes are kept exactly, others' routes stay") {
  const FreshNetns host;
  REQUIRE(setup_node(test_config()).ok());
  const auto cidr = [](const char* text) { return *parse_cidr(text); };
  const auto ip = [](const char* text) { return *parse_ipv4(text); };
  // The bridge's network stands in for the one that the nodes share.
  REQUIRE(sync_routes(
              {{cidr("10.42.1.0/24"), ip("10.42.0.2")}, {cidr("10.42.2.0/24"), ip("10.42.0.3")}})
              .ok());
  CHECK(count_routes_of_ours() == 3);
  REQUIRE(sync_routes(
              {{cidr("10.42.2.0/24"), ip("10.42.0.4")}, {cidr("10.42.3.0/24"), ip("10.42.0.5")}})
              .ok());
  CHECK(count_routes_of_ours() == 3);

  // A node that can't be reached is an error that names it; the rest is done all the same.
  const auto partly = sync_routes(
      {{cidr("10.42.2.0/24"), ip("203.0.113.9")}, {cidr("10.42.9.0/24"), ip("10.42.0.9")}});
  REQUIRE_FALSE(partly.ok());
  CHECK(partly.status().message.find("203.0.113.9") != std::string::npos);
  REQUIRE(sync_routes({}).ok());
  CHECK(count_routes_of_ours() == 1);  // The service route.
}

TEST_CASE("network: the node's own address") {
  const FreshNetns host;
  CHECK(default_node_ip().status().not_found());
  REQUIRE(setup_node(test_config()).ok());
  CHECK(default_node_ip().status().not_found());  // A bridge of ours is no host interface.
  NodeConfig other = test_config();
  other.bridge = "lan0";
  other.pod_cidr = *parse_cidr("192.0.2.0/24");
  other.service_cidr = *parse_cidr("198.51.100.0/24");
  REQUIRE(setup_node(other).ok());
  const auto found = default_interface();
  REQUIRE(found.ok());
  CHECK(found->name == "lan0");
  CHECK(found->ip.text() == "192.0.2.1");
  CHECK(found->mtu == 1400);
}

TEST_CASE("network: missing things are said by name") {
  const FreshNetns host;
  const PodNetns pod;
  const auto no_bridge = attach_pod(link_of(pod, "uid", "10.42.0.5"));
  REQUIRE_FALSE(no_bridge.ok());
  CHECK(no_bridge.status().message.find("orch0") != std::string::npos);
  REQUIRE(setup_node(test_config()).ok());
  PodLink link = link_of(pod, "uid", "10.42.0.5");
  link.netns_path = "/nonexistent/netns";
  CHECK(attach_pod(link).status().message.find("/nonexistent/netns") != std::string::npos);
  CHECK_FALSE(with_netns("/dev/null", [] { return Result<void>(); }).ok());
}

}  // namespace
}  // namespace orch::network
