// Replica: who leads, and what a leader does beside proposing: it says at once what is agreed on,
// hands over, and refuses writes when the log has no room. And what any server does when one was
// removed.
#include <algorithm>

#include "store/damage.h"
#include "store/replica.h"

namespace orch::store {

void Replica::look_at_leader() {
  const uint64_t leader_now = leader(), term_now = term();
  if (leader_now == known_leader_ && term_now == known_term_) {
    if (sent_ > 0 && now() - sent_at_ >= options_.resend_ms) sent_ = 0;
    return;
  }
  known_leader_ = leader_now;
  known_term_ = term_now;
  lead_from_ = raft_last_index(&raft_);
  sent_ = 0;
  told_commit_.clear();
  reads_.leader_changed();
}

// To servers that have the last entry that is agreed on, and don't know yet that it is. It must be
// of this term, for its term is part of what is said.
void Replica::tell_commit() {
  const raft_index commit = raft_commit_index(&raft_);
  if (!leads() || !append_version_ || commit <= lead_from_) return;
  for (unsigned i = 0; i < raft_.configuration.n; ++i) {
    const raft_server& server = raft_.configuration.servers[i];
    raft_index match = 0;
    if (server.id == options_.server || told_commit_[server.id] >= commit) continue;
    if (raft_match_index(&raft_, server.id, &match) != 0 || match < commit) continue;
    raft_message message{};
    message.type = RAFT_APPEND_ENTRIES;
    message.server_id = server.id;
    message.server_address = server.address;
    message.append_entries.version = *append_version_;
    message.append_entries.term = raft_current_term(&raft_);
    message.append_entries.prev_log_index = commit;
    message.append_entries.prev_log_term = raft_current_term(&raft_);
    message.append_entries.leader_commit = commit;
    auto* const request = new raft_io_send();
    const auto free_it = [](raft_io_send* sent, int) { delete sent; };
    if (send_message(&io_, request, &message, free_it) != 0) delete request;
  }
}

void Replica::hand_over(std::function<void()> done) {
  if (broken_ || handed_over_ || !leads()) return done();
  handed_over_ = std::move(done);
  hand_over_since_ = now();
}

void Replica::catch_up(bool may_be_much) {
  if (hands_over()) return;
  const auto flush = [this] { machine_.flush(); };
  may_be_much || machine_.misses_much() ? hand_over(flush) : flush();
}

void Replica::go_on_handing_over() {
  if (!handed_over_) return;
  // libraft waits for a next leader, and there may never be one.
  const bool late = now() - hand_over_since_ >= raft_.election_timeout;
  if (transferring_) return late ? end_handing_over() : void();
  const bool drained = raft_last_index(&raft_) == raft_last_applied(&raft_);
  if (leads() && !drained && !late) return;
  const auto ended = [](struct raft_transfer* transfer) {
    static_cast<Replica*>(transfer->data)->end_handing_over();
  };
  transfer_.data = this;
  const uint64_t next = drained ? heir() : 0;
  transferring_ = next != 0 && raft_transfer(&raft_, &transfer_, next, ended) == 0;
  if (!transferring_) end_handing_over();
}

// A voter that has all of the log and is there; libraft would take any.
uint64_t Replica::heir() {
  if (!leads()) return 0;
  for (const Member& member : membership_.members()) {
    raft_index match = 0;
    const bool fits = member.voter && member.server != options_.server &&
                      raft_match_index(&raft_, member.server, &match) == 0;
    if (fits && match == raft_last_index(&raft_)) return member.server;
  }
  return 0;
}

void Replica::end_handing_over() {
  transferring_ = false;
  if (const auto done = std::exchange(handed_over_, nullptr)) done();
}

// A batch that nobody has seen never was, and its number is free again.
void Replica::refuse_when_full() {
  const bool holds_back = writes_first_copy() || waits_for_first_copy();
  if (!full_ || !leads() || (now() >= refused_until_ && !holds_back)) return;
  const Status why = *full_;
  for (; !open_.empty() && !open_.back().seen; open_.pop_back(), --batches_) {
    for (const Proposal& proposal : open_.back().proposals) proposal.done(why);
  }
  const auto waiting = std::exchange(waiting_, {});
  for (const Waiting& each : waiting) each.proposal.done(why);
  waiting_bytes_ = 0;
}

bool Replica::ask_for_room() {
  if (!leads() || broken_ || writes_first_copy()) return false;
  auto* const request = new struct raft_barrier();
  const auto free_it = [](struct raft_barrier* done, int) { delete done; };
  raft_set_capacity_threshold(&raft_, 0);
  if (raft_barrier(&raft_, request, free_it) != 0) delete request;
  raft_set_capacity_threshold(&raft_, kLowRoomKilobytes);
  return true;
}

void Replica::look_at_members() {
  forget_removed();
  if (!membership_.was_removed()) return;
  fail(removed("this server was removed from the cluster; its data is left as it was"));
  refuse_all(*broken_);
}

// Behind the change that removes a server the log has no batch of it: whoever leads and has that
// change takes none, and its number never comes again. So each replica may forget it when it likes,
// once all that is before the change was applied. (At a start the table may be further than the
// log, and know of servers that were added since.)
void Replica::forget_removed() {
  const auto [agreed, uncertain] = membership_.version();
  const uint64_t applied = raft_last_applied(&raft_);
  if (agreed == forgot_at_ || uncertain != 0) return;
  if (applied < agreed || applied < progress_.index) return;
  forgot_at_ = agreed;
  progress_.forget_unless([this](uint64_t server) { return membership_.has(server); });
}

}  // namespace orch::store
