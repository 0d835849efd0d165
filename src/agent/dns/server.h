// Server: the node's DNS server, on the cluster DNS address, inside the agent.
//
// Answers the cluster's names from the current Zone and forwards all others to upstream resolvers,
// with a small cache. One thread with epoll owns everything; it sleeps unless a packet or a
// deadline comes (the timer is armed only while upstream queries wait). UDP and TCP.
//
// The address may be a virtual one that is put on an interface later: sockets bind with
// IP_FREEBIND. Queries run in the network namespace of the thread that called start.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agent/dns/zone.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/net_address.h"
#include "base/result.h"

namespace orch::dns {

struct SocketAddress {
  Ipv4 ip;
  uint16_t port = 53;

  auto operator<=>(const SocketAddress&) const = default;
};

struct ServerOptions {
  std::vector<Ipv4> addresses;
  uint16_t port = 53;                    // 0: any free one (tests); see Server::port().
  std::vector<SocketAddress> upstreams;  // In order of preference; may be empty.
};

// The "nameserver" lines of a resolv.conf that are IPv4. Pure.
std::vector<SocketAddress> parse_resolv_conf(std::string_view text);

class Server {
 public:
  // Binds and starts the thread. Until the first set_zone every answer is SERVFAIL, so that clients
  // try again instead of believing that a name does not exist.
  static Result<std::unique_ptr<Server>> start(const ServerOptions& options, Clock& clock,
                                               Random& random);
  ~Server();  // Stops the thread and closes all sockets.

  // Any thread. Takes effect with the next query.
  void set_zone(std::shared_ptr<const Zone> zone);
  // Any thread. Addresses of the server itself are left out (a forwarding loop otherwise).
  void set_upstreams(std::vector<SocketAddress> upstreams);

  uint16_t port() const;

 private:
  class Loop;
  explicit Server(std::unique_ptr<Loop> loop);

  std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace orch::dns
