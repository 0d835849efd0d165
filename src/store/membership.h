// Membership: changes of who the servers are. Any server may be asked; it asks the leader, which
// carries out one change at a time with libraft, and answers when the change has been agreed on.
//
// Messages get lost and leaders change, so a server asks again until it has an answer; a change
// that has taken effect already is one that succeeds. A question that comes late or twice must not
// undo what was done since: it says of which members it was asked, and counts of these only.
// A leader that others have replaced without its knowledge has old members: that there is nothing
// to do, or that it can't be done, is said when the term is known to stand still.
//
// On the log's thread. Only turn() calls libraft.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/peers.h"
#include "store/raft_library.h"
#include "store/replication.h"

namespace orch::store {

class Membership {
 public:
  using Done = std::function<void(Result<void>)>;

  struct Self {
    uint64_t server = 0, boot = 0;  // As in ReadIndex.
  };
  // `hand_over`: have another server lead. `sync`: as Replica::sync().
  Membership(const Self& self, raft& log, Peers& peers, uint64_t ask_again_ms,
             std::function<void()> hand_over, std::function<void(Done)> sync)
      : self_(self.server),
        log_(log),
        peers_(peers),
        ask_again_ms_(ask_again_ms),
        hand_over_(std::move(hand_over)),
        sync_(std::move(sync)),
        tokens_(self.boot << 32) {}

  std::vector<Member> members() const;
  bool has(uint64_t server) const;  // In the newest configuration, agreed on or not.
  // Grows with each change, also with one that is taken back.
  std::pair<uint64_t, uint64_t> version() const {
    return {log_.configuration_committed_index, log_.configuration_uncommitted_index};
  }
  // Was a member while this object lived, and others have agreed that it is none any more.
  bool was_removed();

  void change(MemberChange change, Done done, uint64_t now);
  // `may_change`: the log begins with a copy of the state, so a new server can have all of it.
  void turn(uint64_t now, uint64_t leader, bool leads, bool may_change);
  void receive(uint64_t from, PeerMessage kind, std::string_view rest);
  // A server that is no member asks for votes: says to it that it was removed.
  void tell_removed(uint64_t server);
  // Those that were asked for before then.
  void give_up(uint64_t before, const Status& why);

 private:
  // What who asks for a change takes the members to be.
  struct Place {
    uint64_t term = 0, configuration = 0;
    bool operator==(const Place&) const = default;
  };
  struct Wish {  // Of this server.
    MemberChange change;
    Done done;
    uint64_t token = 0, since = 0, asked = 0;
    unsigned asks = 0;
    Place place;
  };
  struct Order {  // To this server.
    uint64_t from = 0, token = 0;
    MemberChange change;
    Place place;
  };
  struct Work;  // An order that libraft carries out.
  enum class Step { nothing, configure, promote, hand_over };

  Result<Step> plan(const MemberChange& change) const;
  Result<Step> plan_replacement(const MemberChange& change) const;
  Result<void> check_place(const MemberChange& change) const;
  Result<bool> begin(const Order& order);  // False: it has taken effect already.
  int configure(const MemberChange& change, Work* work);
  static void finished(raft_change* request, int code);
  void answer(const Order& order, const Result<void>& result);
  void answer_when_sure(const Order& order, const Result<void>& result);
  void take_answer(uint64_t token, int code, std::string_view text);
  Place place() const { return {log_.current_term, std::max(version().first, version().second)}; }
  const raft_server* find(uint64_t server) const;
  size_t voters() const;

  const uint64_t self_;
  raft& log_;
  Peers& peers_;
  const uint64_t ask_again_ms_;
  const std::function<void()> hand_over_;
  const std::function<void(Done)> sync_;
  uint64_t tokens_;
  std::deque<Wish> wishes_;
  std::deque<Order> orders_;
  std::optional<Order> under_way_;
  bool was_member_ = false;
  uint64_t removed_at_ = 0;  // As another server says.
};

}  // namespace orch::store
