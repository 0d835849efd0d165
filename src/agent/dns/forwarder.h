// Forwarder: asks upstream resolvers, one after another, and remembers what they said.
//
// Every query has a socket of its own, connected to its upstream, so the kernel picks a random port
// and drops what comes from elsewhere; the id is random too, and the question must come back
// (RFC 5452). A client's transport is kept: who asked over TCP is asked for over TCP, and a
// truncated UDP reply goes to the client, who will come again over TCP. On the event loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/dns/cache.h"
#include "agent/dns/epoll.h"
#include "agent/dns/server.h"
#include "agent/dns/wire.h"

namespace orch::dns {

inline constexpr size_t kMaxUpstreamQueries = 128;  // Waiting at once; more are SERVFAIL.
inline constexpr size_t kMaxAttempts = 4;           // Of one query, over all upstreams.
inline constexpr int kAttemptTimeout_ms = 1500;

class Forwarder {
 public:
  // The bytes of a well-formed reply to the question, or nothing when no upstream gave one.
  using Done = std::function<void(std::optional<std::string> message)>;

  Forwarder(Epoll& epoll, Clock& clock, Random& random)
      : epoll_(epoll), clock_(clock), random_(random) {}
  ~Forwarder();

  // `done` is called exactly once, perhaps before ask returns.
  void ask(const Question& question, bool edns, bool tcp,
           std::shared_ptr<const std::vector<SocketAddress>> upstreams, Done done);

  // Gives up on attempts whose time is over; answers when the next one's is.
  std::optional<MonoTime> expire();

 private:
  struct Waiting;

  void try_next(const std::shared_ptr<Waiting>& waiting);
  bool send_query(const std::shared_ptr<Waiting>& waiting, const SocketAddress& upstream);
  void on_udp(const std::shared_ptr<Waiting>& waiting);
  void on_tcp(const std::shared_ptr<Waiting>& waiting, uint32_t events);
  // False when `message` is no reply to the question.
  bool take_reply(const std::shared_ptr<Waiting>& waiting, const std::string& message);
  void close_socket(Waiting& waiting);
  void finish(const std::shared_ptr<Waiting>& waiting, std::optional<std::string> message);

  Epoll& epoll_;
  Clock& clock_;
  Random& random_;
  Cache cache_;
  uint64_t next_number_ = 1;
  std::unordered_map<uint64_t, std::shared_ptr<Waiting>> waiting_;
};

}  // namespace orch::dns
