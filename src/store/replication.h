// Replication: what makes a store one of several servers' (docs/adr/0006). Options::replication
// points to one of these; without it the store is a single server's own.
//
// Below it: libraft with its log on disk (raft_log.h). Beside it: whoever owns the servers' TLS
// (server/cluster), which carries streams of bytes between them and knows nothing of what is in
// them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace orch::store {

// What a stream between two servers carries: libraft's own messages, or ours (peers.h).
enum class StreamUse : uint8_t { raft, messages };

// Opens streams to other servers: ordered bytes both ways, with both ends authenticated, that may
// break at any time; whoever needs one opens another. The stream is a connected socket (AF_UNIX or
// TCP), whose other end somebody carries on.
class PeerStreams {
 public:
  virtual ~PeerStreams() = default;
  using Connected = std::function<void(Result<UniqueFd>)>;
  // Never blocks. `done` is called once, on any thread, within kPeerConnectMs; not after the
  // PeerStreams is gone. `address` is what the log's configuration says; the server at it must
  // prove that it is `server`.
  virtual void connect(uint64_t server, const std::string& address, StreamUse use,
                       Connected done) = 0;
};

inline constexpr uint64_t kPeerConnectMs = 5'000;

struct Replication {
  uint64_t server = 0;  // Not 0; this server's for good.
  // "10.0.0.1:6443": where others reach this one. It may change from start to start.
  std::string address;
  // Whether this server begins a log of its own where there is none: alone, with the state that
  // its table has. Else it waits until a server of an existing log adds it.
  bool begins = false;
  PeerStreams* streams = nullptr;  // Outlives the store.
  // The other servers are lost for good: this one goes on as the only member of the log that it
  // has, agreed on or not. See cli/cluster_reset.cpp.
  bool alone = false;
};

// Who leads. A single server always leads itself, in term 0.
struct Leadership {
  uint64_t term = 0;
  uint64_t leader = 0;  // 0: nobody known.
  bool ours = true;     // This server leads.
  bool operator==(const Leadership&) const = default;
};

// A server of the log.
struct Member {
  uint64_t server = 0;
  std::string address;
  bool voter = false;  // Else it learns only.
  bool operator==(const Member&) const = default;
};

// A change of membership; one at a time.
struct MemberChange {
  enum class Kind : uint8_t {
    add,      // As a learner, at `address`; or its new address.
    promote,  // To a voter, once it has caught up.
    demote,   // A voter that learns only.
    remove,
    // add, where the address is that of `replaces`, which is reached nowhere any more, and is to be
    // removed next.
    replace,
  };
  Kind kind = Kind::add;
  uint64_t server = 0;
  std::string address;
  uint64_t replaces = 0;
};

}  // namespace orch::store
