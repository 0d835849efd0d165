// Replica: what passes between libraft and its disk and network, where it must be another than
// libraft has it (replica.h says why).
#include <algorithm>

#include "base/log.h"
#include "store/damage.h"
#include "store/replica.h"

namespace orch::store {

namespace {

// Longer than a copy of the state is on its way over the slowest of lines.
constexpr uint64_t kOldDiskMs = 10 * 60'000;

// libraft notes a change of the members under the index of the first entry that it came with, and
// then misses that it was agreed on. What is left out here the leader sends again.
void cut_before_change(raft_append_entries* sent) {
  for (unsigned i = 1; i < sent->n_entries; ++i) {
    if (sent->entries[i].type == RAFT_CHANGE) sent->n_entries = i;
  }
}

// libraft takes what is agreed on for ending with the last entry of a message, also where it knows
// of more. Its next copy of the state would say that it is one of then.
void keep_commit(raft_index commit, raft_append_entries* sent) {
  if (sent->prev_log_index + sent->n_entries >= commit) return;
  sent->leader_commit = std::min(sent->leader_commit, commit);
}

void discard(raft_message* message) {
  if (message->type == RAFT_APPEND_ENTRIES && message->append_entries.n_entries > 0) {
    raft_free(message->append_entries.entries[0].batch);
    raft_free(message->append_entries.entries);
  } else if (message->type == RAFT_INSTALL_SNAPSHOT) {
    raft_configuration_close(&message->install_snapshot.conf);
    raft_free(message->install_snapshot.data.base);
  }
}

}  // namespace

int Replica::start_io(raft_io* io, unsigned, raft_io_tick_cb tick, raft_io_recv_cb receive) {
  Replica* const self = of(io);
  self->tick_ = tick;
  self->receive_ = receive;
  return self->start_io_(io, self->options_.heartbeat_ms, take_tick, take_message);
}

void Replica::take_tick(raft_io* io) {
  Replica* const self = of(io);
  if (!self->broken_) self->tick_(io);
}

void Replica::take_message(raft_io* io, raft_message* message) {
  Replica* const self = of(io);
  if (!self->lets_in(*message)) return discard(message);
  if (message->type == RAFT_REQUEST_VOTE) return self->take_vote_request(message);
  if (message->type == RAFT_APPEND_ENTRIES) {
    cut_before_change(&message->append_entries);
    keep_commit(raft_commit_index(&self->raft_), &message->append_entries);
  }
  self->receive_(io, message);
}

// libraft's follower votes for nobody until it would stand for election itself, by a timer of its
// own that is up to twice an election's time. It need only have heard no leader for that time. And
// its learner never votes: one that was made a voter and has not heard of it may be needed, and who
// asks knows whose votes count.
void Replica::take_vote_request(raft_message* message) {
  const auto own = [this]() -> raft_server* {
    raft_server* const all = raft_.configuration.servers;
    for (unsigned i = 0; i < raft_.configuration.n; ++i) {
      if (all[i].id == options_.server) return &all[i];
    }
    return nullptr;
  };
  raft_server* const before = own();
  const int role = before == nullptr ? RAFT_VOTER : before->role;
  const bool follows = raft_state(&raft_) == RAFT_FOLLOWER;
  if (follows && now() - raft_.election_timer_start >= raft_.election_timeout) {
    auto& silent = raft_.follower_state.current_leader;
    silent.id = 0;
    raft_free(std::exchange(silent.address, nullptr));
  }
  if (before != nullptr) before->role = RAFT_VOTER;
  receive_(&io_, message);
  if (raft_server* const after = own()) after->role = role;
}

int Replica::send_message(raft_io* io, raft_io_send* request, const raft_message* message,
                          raft_io_send_cb done) {
  Replica* const self = of(io);
  // Least of all what its disk could not keep.
  if (self->broken_ || self->closed_) {
    done(request, RAFT_CANCELED);
    return 0;
  }
  // (Not by the result: libraft would send nothing to anybody behind it.)
  if (!self->peers_.takes(message->server_id)) {
    done(request, RAFT_NOCONNECTION);
    return 0;
  }
  if (message->type == RAFT_APPEND_ENTRIES) {
    uint64_t& told = self->told_commit_[message->server_id];
    told = std::max<uint64_t>(told, message->append_entries.leader_commit);
    self->append_version_ = message->append_entries.version;
  }
  raft_message sent = *message;
  if (sent.type == RAFT_APPEND_ENTRIES) self->hold_back_change(&sent.append_entries);
  if (sent.type == RAFT_INSTALL_SNAPSHOT) {
    if (sent.install_snapshot.data.len == 0) return RAFT_NOCONNECTION;
    sent.install_snapshot.last_term = self->read_copy_term_;
  }
  // To who only asks whether he would be voted for libraft says his own term, even where ours is
  // higher: he would never hear of that, and be refused for ever.
  if (sent.type == RAFT_REQUEST_VOTE_RESULT) {
    raft_term& said = sent.request_vote_result.term;
    said = std::max(said, raft_current_term(&self->raft_));
  }
  return self->send_(io, request, &sent, done);
}

// Who has a change of the members in its log goes by it. So nobody has one that its leader may lose
// with its power: of two servers the other would wait for it for ever. (What is left out here is
// sent again.)
void Replica::hold_back_change(raft_append_entries* sent) const {
  for (unsigned i = 0; i < sent->n_entries; ++i) {
    const raft_index index = sent->prev_log_index + 1 + i;
    if (sent->entries[i].type == RAFT_CHANGE && index > raft_.last_stored) sent->n_entries = i;
  }
}

// libraft frees twice what came with a message whose term or vote it could not keep. So it hears
// nothing of that; what it says from then on is not sent.
int Replica::set_term(raft_io* io, raft_term term) {
  Replica* const self = of(io);
  if (const int code = self->set_term_(io, term); code != 0) self->disk_failed(raft_strerror(code));
  return 0;
}

int Replica::set_vote(raft_io* io, raft_id server) {
  Replica* const self = of(io);
  if (const int code = self->set_vote_(io, server); code != 0)
    self->disk_failed(raft_strerror(code));
  return 0;
}

void Replica::disk_failed(const std::string& why) {
  if (broken_) return;
  fail(service_unavailable("the log could not be written: " + why +
                           "; this server takes no part until orch is restarted"));
}

// A leader that once heard of entries from this server sends only what follows them. Where they are
// gone, because an old copy of the disk was put in place, nothing that it sends fits, for ever.
void Replica::look_for_old_disk(const raft_append_entries& entries) {
  const uint64_t last = raft_last_index(&raft_);
  const bool fits = entries.n_entries > 0 && entries.prev_log_index <= last;
  if (entries.leader_commit <= last || fits) {
    behind_since_.reset();
  } else if (!behind_since_ || behind_at_ != last) {
    behind_since_ = now();
    behind_at_ = last;
  } else if (now() - *behind_since_ >= kOldDiskMs) {
    fail(
        damaged("the disk of this server is older than what it has told the others: entries of "
                "the log that it had are gone"));
  }
}

// In one term nobody loses what he has confirmed, or else his disk is an old one.
bool Replica::is_late_refusal(const raft_message& message) {
  if (message.type != RAFT_APPEND_ENTRIES_RESULT || !leads()) return false;
  const raft_append_entries_result& result = message.append_entries_result;
  raft_index match = 0;
  return result.term == term() && result.rejected > 0 &&
         raft_match_index(&raft_, message.server_id, &match) == 0 && result.rejected <= match;
}

bool Replica::lets_in(const raft_message& message) {
  if (broken_ || is_late_refusal(message)) return false;
  if (message.type == RAFT_APPEND_ENTRIES) look_for_old_disk(message.append_entries);
  if (message.type == RAFT_INSTALL_SNAPSHOT) {
    return !copy_ && message.install_snapshot.term >= term();
  }
  if (message.type == RAFT_APPEND_ENTRIES && message.append_entries.n_entries > 0) {
    return !writes_first_copy();
  }
  if (message.type == RAFT_REQUEST_VOTE && leads() && !membership_.has(message.server_id)) {
    membership_.tell_removed(message.server_id);
    return false;
  }
  return true;
}

}  // namespace orch::store
