// Replica: one server's part in the replicated log. It stands between libraft, which agrees with
// the other servers on the order of entries, and the Machine, which applies them. It owns no thread
// and knows neither disk nor network: libraft's `raft_io` is given to it, and so are the Peers. So
// production and simulation (tests/sim) run the same code.
//
// One thread, in one loop: after whatever the loop did (a message, a tick, a proposal), it
// calls turn(). Only turn() proposes to libraft, never one of its callbacks: a failing callback
// that proposes crashes it.
//
// - The state is in the table. So where libraft wants a copy of it, to put in the place of a log
//   that got long, it gets a mark of how far the table is on disk (state_copy.h). A whole copy is
//   made, off the log's thread, when libraft wants to send one. It may be further than the entry
//   that libraft takes it for: entries that the state has already are passed over, as at a start.
// - A batch of writes is one entry. At most kMaxOpen of ours are under way. Where this server
//   doesn't lead, the batch goes to the leader; the answer comes when it is applied *here*.
// - Batches are numbered and count once (entry.h), so what is open is simply sent again when the
//   leader changes or it takes too long.
// - A consistent read is a read index (read_index.h); who the servers are is membership.h's.
// - libraft 0.22.1 reads from null when another's whole state arrives while a copy of our own is
//   being written. Such a message is dropped before it gets there; the leader sends it again.
// - libraft's leader says what is agreed on with its next entry or heartbeat only, and a follower
//   would apply, and answer its writers, that much later. So a heartbeat is sent at once.
// - Nor does it bear that its own copy can't be read when it wants to send it: it frees what it
//   never had. So it is given an empty one, which is not sent.
// - libraft goes on in memory when its term or vote or an entry could not be written, and would
//   count them. So such a failure breaks the replica.
// - Nor does a sole voter of libraft's begin a new term when it starts. What it had sent to a
//   learner and not yet written would come a second time, as something else, under the same index
//   and term.
// - A follower of libraft's that gets a change of the members behind other entries never knows it
//   as agreed on: its copies of the state say who the members were before. So such a change comes
//   first, and no copy is made in the moment in which one is agreed on.
// - When a newer copy has taken the place of the one that libraft meant to send, it sends the newer
//   with the older's term; who gets it dies of the next entry. So the term is put right.
// - libraft never counts as stored what a copy of the state took the place of before it was. So a
//   copy waits for the disk.
// - A leader of libraft's that hears late that a follower lacked what it has since said it has
//   sends it nothing any more. So it does not hear of a refusal of what is confirmed.
// - To a copy that comes from an earlier term a follower of libraft's answers that it has entries
//   up to whatever is in memory there. Such a one is dropped.
// - Who asks for a pre-vote never hears from libraft of a higher term than his. So it is said.
// - A learner of libraft's never votes, also when it was made a voter and has not heard of it. Nor
//   does a follower before a timer of its own, however long it has heard no leader.
// - What is broken takes no part: libraft gets neither messages nor ticks any more.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/copy_rule.h"
#include "store/entry.h"
#include "store/machine.h"
#include "store/membership.h"
#include "store/peers.h"
#include "store/raft_library.h"
#include "store/read_index.h"
#include "store/replication.h"

namespace orch::store {

class Replica {
 public:
  struct Options {
    uint64_t server = 0;  // Not 0; see Progress about `boot`.
    uint64_t boot = 0;
    std::string address;
    unsigned election_ms = 300, heartbeat_ms = 60;
    CopyRule::Limits copies;
    bool alone = false;  // As in Replication.
    // The log may hold values that the cipher would not leave so now: begin it with a new copy.
    bool renew = false;
    uint64_t resend_ms = 1000;            // What is open is sent again.
    uint64_t give_up_ms = 10'000;         // A caller has its answer by then.
    uint64_t give_up_change_ms = 60'000;  // The same for a change of the servers.
    const Cipher* cipher = nullptr;       // As in Store's Options.
  };
  using SyncDone = ReadIndex::Done;
  // Does the work on another thread, and then `done` on the log's.
  using Aside = std::function<void(std::function<void()> work, std::function<void()> done)>;

  // All of the references must outlive the replica; `io` must be made and not yet initialised.
  Replica(const Options& options, raft_io& io, Machine& machine, Store::Tagger tagger, Peers& peers,
          Aside aside);
  // After close() has called back.
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Reads the log and begins to take part. `note` is the table's. Where there is neither log nor
  // note, `first_members` begin the log; a server that joins others has none.
  Result<void> start(std::string_view note, const std::vector<Member>& first_members);
  // A leader proposes nothing more and, once what is under way is applied, lets another server
  // lead. `done` after an election's time at most; at once where this one doesn't lead.
  void hand_over(std::function<void()> done);
  // Writes what the table misses. Where that is much, or `may_be_much`, not as the leader.
  void catch_up(bool may_be_much);
  bool hands_over() const { return handed_over_ != nullptr; }
  void close(std::function<void()> closed);

  void propose(Proposal proposal);
  // When all that was acknowledged anywhere before this call is visible here.
  void sync(SyncDone done);
  void change_members(MemberChange change, SyncDone done);
  void receive(uint64_t from, std::string_view message);
  void turn();
  void set_election_ms(unsigned ms);
  // The log's disk failed otherwise than by being full: what is on it isn't known any more.
  void disk_failed(const std::string& why);
  // The log has no room here: where this server leads and most of the others have none either,
  // writes that nobody has seen yet are refused with this.
  void set_full(std::optional<Status> why) { full_ = std::move(why); }
  // Has the disk try to make room, with an entry of no effect. False: not now.
  bool ask_for_room();
  void refuse_all(const Status& why);

  bool leads();
  uint64_t leader();  // 0 when none is known.
  uint64_t term() { return raft_current_term(&raft_); }
  uint64_t applied() const { return progress_.index; }
  uint64_t agreed_on() const { return raft_commit_index(&raft_); }  // Up to this entry.
  const Progress& progress() const { return progress_; }
  const Membership& membership() const { return membership_; }
  // How often another's whole state was taken: the watchers of this one have missed something.
  uint64_t copies_taken() const { return copies_taken_; }
  // Writes that wait or are under way.
  size_t waiting() const { return waiting_.size() + open_.size(); }
  // Of those, what is not in a batch yet.
  size_t unsent_writes() const { return waiting_.size(); }
  size_t unsent_bytes() const { return waiting_bytes_; }
  // Of the last copy of the state that was read, from its own disk or from another's: its entry.
  uint64_t copied() const { return copied_; }
  // Why this replica takes no part any more: what it holds doesn't fit the log.
  const std::optional<Status>& broken() const { return broken_; }

 private:
  struct Waiting {
    Proposal proposal;
    uint64_t since = 0;
  };
  struct Batch {
    uint64_t number = 0;
    std::vector<Proposal> proposals;  // Empty when their callers were given up.
    std::string bytes;
    uint64_t since = 0;
    bool seen = false;  // By the log, or by another server.
  };
  struct Forwarded {
    uint64_t from = 0;
    std::string bytes;
  };
  // libraft's callbacks, and what stands between it and its disk and network.
  static Replica* of(raft_io* io) {
    return static_cast<Replica*>(static_cast<raft*>(io->data)->data);
  }
  static int start_io(raft_io* io, unsigned ms, raft_io_tick_cb tick, raft_io_recv_cb receive);
  static void take_tick(raft_io* io);
  static void take_message(raft_io* io, raft_message* message);
  bool lets_in(const raft_message& message);
  bool is_late_refusal(const raft_message& message);
  void take_vote_request(raft_message* message);
  void look_for_old_disk(const raft_append_entries& entries);
  void hold_back_change(raft_append_entries* sent) const;
  static int send_message(raft_io* io, raft_io_send* request, const raft_message* message,
                          raft_io_send_cb done);
  static int load(raft_io* io, raft_term* term, raft_id* voted_for, raft_snapshot** snapshot,
                  raft_index* start_index, raft_entry* entries[], size_t* count);
  static int set_term(raft_io* io, raft_term term);
  static int set_vote(raft_io* io, raft_id server);
  static int get_copy(raft_io* io, raft_io_snapshot_get* request, raft_io_snapshot_get_cb done);
  struct Getting;
  void fill_copy(std::shared_ptr<Getting> getting);
  void tell_commit();
  static int apply_entry(raft_fsm* fsm, const raft_buffer* buffer, void** result);
  static int make_copy(raft_fsm* fsm, raft_buffer* buffers[], unsigned* count);
  static int drop_copy(raft_fsm* fsm, raft_buffer* buffers[], unsigned* count);
  static int take_copy(raft_fsm* fsm, raft_buffer* buffer);

  Result<void> make_alone();
  Result<void> begin_log(const std::vector<Member>& members);
  Result<void> apply(std::string_view bytes);
  Result<void> apply_up_to(const raft_snapshot& mark, raft_index first,
                           std::span<const raft_entry> entries);
  Progress progress_now() const;
  bool put_table_on_disk();
  Result<void> restore(std::string_view bytes);
  void give_up_restored();
  static Status unknown_outcome();  // Of a write that was sent.
  int fail(Status why);
  void set_copy_rule();
  void lead_to_first_copy();
  // Nothing may be appended meanwhile: the disk forgets it with the rest of the log.
  bool writes_first_copy() const { return copy_ && !has_copy_; }
  // It is made when nothing is under way: until then one entry at a time is.
  bool waits_for_first_copy() {
    return !has_copy_ && raft_last_applied(&raft_) < raft_last_index(&raft_);
  }

  uint64_t now() { return io_.time(&io_); }
  void look_at_leader();
  void look_at_members();
  void forget_removed();
  void go_on_handing_over();
  void end_handing_over();
  uint64_t heir();
  void fill_batches();
  void send_batches();
  bool submit(std::string bytes);
  void give_up_late();
  void refuse_when_full();
  ReadIndex::Standing standing();

  const Options options_;
  raft_io& io_;
  Machine& machine_;
  const Store::Tagger tagger_;
  Peers& peers_;
  const Aside aside_;
  raft raft_{};
  raft_fsm fsm_{};
  int init_code_ = 0;
  int (*start_io_)(raft_io*, unsigned, raft_io_tick_cb, raft_io_recv_cb) = nullptr;
  int (*send_)(raft_io*, raft_io_send*, const raft_message*, raft_io_send_cb) = nullptr;
  int (*load_)(raft_io*, raft_term*, raft_id*, raft_snapshot**, raft_index*, raft_entry**,
               size_t*) = nullptr;
  int (*set_term_)(raft_io*, raft_term) = nullptr;
  int (*set_vote_)(raft_io*, raft_id) = nullptr;
  int (*get_copy_)(raft_io*, raft_io_snapshot_get*, raft_io_snapshot_get_cb) = nullptr;
  std::map<uint64_t, uint64_t> told_commit_;  // By server: what it was last told, of this term.
  std::optional<unsigned char> append_version_;
  raft_io_tick_cb tick_ = nullptr;
  raft_io_recv_cb receive_ = nullptr;
  std::function<void()> closed_;
  // While this server hands over.
  std::function<void()> handed_over_;
  uint64_t hand_over_since_ = 0;
  bool transferring_ = false;
  struct raft_transfer transfer_ {};
  std::optional<Status> broken_, full_;
  uint64_t refused_until_ = 0;  // Most servers have no room; then it is tried again.

  Progress progress_;
  uint64_t forgot_at_ = 0;  // The change of the members after which it was last looked through.
  uint64_t batches_ = 0;    // Numbered so far.
  std::deque<Waiting> waiting_;
  size_t waiting_bytes_ = 0;
  std::deque<Batch> open_;
  size_t sent_ = 0;  // The first so many of open_, to the leader that we know.
  uint64_t sent_at_ = 0;
  std::deque<Forwarded> forwarded_;  // Batches of other servers.

  uint64_t known_leader_ = 0, known_term_ = 0;
  // The leader sends nothing though we lack what is agreed on: since then, with that last entry.
  std::optional<uint64_t> behind_since_;
  uint64_t behind_at_ = 0;
  uint64_t lead_from_ = 0;  // What is committed is known once the commit index is here.

  ReadIndex reads_;
  Membership membership_;
  uint64_t copies_taken_ = 0, copied_ = 0;
  // The log on disk may begin with the first entry, but the state need not: it may be a single
  // server's that grew. So a copy of it is the first thing that the log gets.
  bool has_copy_ = false, made_first_copy_ = false;
  CopyRule copy_rule_;
  raft_term read_copy_term_ = 0;     // Of the copy that was read last, to be sent.
  std::optional<std::string> copy_;  // While libraft writes it.
  std::optional<uint64_t> on_disk_;  // The table is, up to this entry; for the next copy.
  bool syncs_table_ = false;         // To know that.
};

}  // namespace orch::store
