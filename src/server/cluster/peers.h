// peers: the streams between servers (store/replication.h), as connections to the one HTTPS port:
//
//   GET /orch/v1/peer?use=raft   Upgrade: orch-peer/1   Orch-Cluster, Orch-Contacts
//     → 101, Orch-Contacts, and then the stream's bytes
//
// Both ends prove by certificates which server they are (identity.h), and both tell their contacts.
// The store gets one end of a socket pair; a thread pumps between the other end and the TLS
// connection (http/pump.h), with what one side does not take held up at the other.
//
// Threads: one a stream, both ways, while it lives: with n servers 4 (n - 1) at the most. They
// outlive the HTTPS server, for a store that closes hands its leadership over by them.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"
#include "base/task_pool.h"
#include "http/http.h"
#include "server/cluster/contacts.h"
#include "server/cluster/identity.h"
#include "store/replication.h"

namespace orch::cluster {

inline constexpr std::string_view kPeerPath = "/orch/v1/peer";
inline constexpr size_t kMaxPeerStreams = 64;  // Each way.
// Bytes that the other end's kernel has not acknowledged for so long end a stream: a server that
// vanished (power, network) is dialled anew then, and not when TCP's back-off says so.
inline constexpr int kPeerSilenceMs = 5'000;

class Peers final : public store::PeerStreams {
 public:
  struct Parts {
    ServerIdentity self;
    std::string ca;       // PEM.
    std::string cluster;  // Its number, see enrollment.h.
    Contacts& contacts;
  };
  static Result<std::unique_ptr<Peers>> create(Parts parts);
  ~Peers() override { stop(); }

  void connect(uint64_t server, const std::string& address, store::StreamUse use,
               Connected done) override;

  using Take = std::function<void(uint64_t from, store::StreamUse use, UniqueFd stream)>;
  // Answers a request for kPeerPath: an upgrade whose stream `take` gets, on a thread of the HTTPS
  // server. A Status means that it was not answered yet. Any thread, never waits.
  //
  // Every server of the cluster's is let in, also one that the log doesn't know: this server may
  // be behind, and only the leader can tell a newcomer from one that was removed.
  Result<void> accept(const std::shared_ptr<http::Exchange>& exchange, Take take);

  // What another server said when it refused this one for good, as being a former cluster's.
  std::optional<Status> refused() const;

  // Readable once stop() was called.
  int stopping_fd() const { return stopping_.get(); }
  // Ends all streams and waits for their threads. Idempotent.
  void stop();

 private:
  explicit Peers(Parts parts);
  Result<std::unique_ptr<http::Duplex>> dial(uint64_t server, const std::string& address,
                                             store::StreamUse use);
  // One thread of a pool for each stream.
  void carry(http::Duplex& tls, UniqueFd near);
  Result<void> check(const http::Request& request) const;

  const Parts parts_;
  UniqueFd stopping_;  // An eventfd. It ends dials under way.
  mutable std::mutex mutex_;
  std::set<int> running_;  // Sockets that stop() shuts down.
  bool stopped_ = false;
  std::optional<Status> refused_;
  std::atomic<size_t> dialled_{0}, accepted_{0};
  TaskPool out_{kMaxPeerStreams}, in_{kMaxPeerStreams};
};

}  // namespace orch::cluster
