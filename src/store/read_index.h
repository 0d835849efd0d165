// ReadIndex: makes reads of a local state linearizable without writing anything (Ongaro,
// "Consensus", 6.4). A reader asks the leader; the leader notes its commit index and asks the
// voters whether its term still stands; when most say yes, nobody else can have acknowledged
// anything by then, so a replica that has applied up to that index has all that the reader may
// have heard of. Readers that wait share one round of questions.
//
// Pure but for the messages that it sends; on the log's thread.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "store/peers.h"

namespace orch::store {

class ReadIndex {
 public:
  using Done = std::function<void(Result<void>)>;

  // One life of a server: `boot` grows with each, as in Origin.
  struct Self {
    uint64_t server = 0, boot = 0;
  };
  ReadIndex(const Self& self, Peers& peers, uint64_t ask_again_ms, uint64_t round_ms)
      : self_(self.server),
        peers_(peers),
        ask_again_ms_(ask_again_ms),
        round_ms_(round_ms),
        tokens_(self.boot << 32) {}

  // The replica as it is now.
  struct Standing {
    uint64_t now = 0, term = 0, leader = 0, commit = 0, applied = 0;
    bool leads = false;
    // Once its commit index is here, a new leader knows all that was committed before it.
    uint64_t lead_from = 0;
    std::vector<uint64_t> voters;
  };

  void sync(Done done, uint64_t now);
  void turn(const Standing& standing);
  void receive(uint64_t from, PeerMessage kind, uint64_t first, uint64_t second, uint64_t term);
  void leader_changed();
  void give_up(uint64_t since_before, const Status& why);  // Those that ask since before then.

 private:
  struct Reader {
    Done done;
    uint64_t since = 0;
    uint64_t token = 0;  // Of the question to the leader; 0 before it was put.
    uint64_t asked = 0;
    std::optional<uint64_t> index;
  };
  struct Round {
    uint64_t number = 0, term = 0, index = 0, began = 0;
    std::set<uint64_t> yes;
    std::vector<std::pair<uint64_t, uint64_t>> askers;
  };

  void ask(const Standing& standing);
  void begin_round(const Standing& standing);
  void finish_round(const Standing& standing);
  void answer(uint64_t token, uint64_t index);

  const uint64_t self_;
  Peers& peers_;
  const uint64_t ask_again_ms_, round_ms_;
  std::vector<Reader> readers_;
  std::vector<std::pair<uint64_t, uint64_t>> askers_;  // Server, token: wait for a round.
  // No two lives share a token: the answer to an earlier one may still be under way, and is older
  // than what this one's readers may have heard of.
  uint64_t tokens_;
  uint64_t rounds_ = 0;
  std::optional<Round> round_;
};

}  // namespace orch::store
