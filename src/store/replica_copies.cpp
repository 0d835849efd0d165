// Replica: copies of the whole state, which take the place of a log that got long, and what passes
// between libraft and its disk and network, where one such copy must wait for another.
#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "store/damage.h"
#include "store/replica.h"

namespace orch::store {

namespace {

Replica* replica_of(raft_io* io) {
  return static_cast<Replica*>(static_cast<raft*>(io->data)->data);
}

constexpr raft_index kFirstCopyAt = 2;
// Longer than a copy of the state is on its way over the slowest of lines.
constexpr uint64_t kOldDiskMs = 10 * 60'000;

bool is_sole_voter(const raft_configuration& configuration, raft_id server) {
  size_t voters = 0, ours = 0;
  for (unsigned i = 0; i < configuration.n; ++i) {
    if (configuration.servers[i].role != RAFT_VOTER) continue;
    ++voters;
    if (configuration.servers[i].id == server) ++ours;
  }
  return voters == 1 && ours == 1;
}

// As the last configuration of a log, agreed on or not, has it.
bool begins_as_sole_voter(raft_id server, const raft_snapshot* copy, const raft_entry* entries,
                          size_t count) {
  while (count > 0 && entries[count - 1].type != RAFT_CHANGE) --count;
  if (count == 0) return copy != nullptr && is_sole_voter(copy->configuration, server);
  raft_configuration configuration;
  raft_configuration_init(&configuration);
  const bool sole = raft_configuration_decode(&entries[count - 1].buf, &configuration) == 0 &&
                    is_sole_voter(configuration, server);
  raft_configuration_close(&configuration);
  return sole;
}

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

// When a copy is written, libraft asks at once whether the next is due; and how much stays behind
// the one that is being written was said when it began.
void Replica::set_copy_rule() {
  raft_set_snapshot_threshold(&raft_, has_copy_ ? copy_rule_.copy_after() : 1);
  if (copy_) return;
  raft_set_snapshot_trailing(&raft_, has_copy_ ? copy_rule_.keep() : 0);
}

// Where nobody writes, the log gets no second entry by itself.
void Replica::lead_to_first_copy() {
  if (has_copy_ || !leads() || raft_last_index(&raft_) + 1 != kFirstCopyAt) return;
  auto* const request = new struct raft_barrier();
  const auto free_it = [](struct raft_barrier* done, int) { delete done; };
  if (raft_barrier(&raft_, request, free_it) != 0) delete request;
}

int Replica::make_copy(raft_fsm* fsm, raft_buffer* buffers[], unsigned* count) {
  Replica* const self = static_cast<Replica*>(fsm->data);
  if (self->broken_ || self->copy_ || self->made_first_copy_) return RAFT_BUSY;
  // libraft counts a change of the members only after what came with it was applied, and would say
  // here who they were before.
  const raft_index change = self->raft_.configuration_uncommitted_index;
  if (change != 0 && change <= raft_last_applied(&self->raft_)) return RAFT_BUSY;
  // What others agreed on may be applied before it is on the disk here. libraft would not notice
  // any more that it got there, once a copy has taken its place in the log.
  if (self->raft_.last_stored < raft_last_applied(&self->raft_)) return RAFT_BUSY;
  // Where nothing is to stay behind a copy, the disk forgets what is beyond it as well: the first
  // copy waits until there is nothing. (libraft asks again after the next entry.)
  // Nor is it made of the first entry alone: libraft 0.22.1 takes that one for still being there,
  // and never sends such a copy.
  const auto last = raft_last_index(&self->raft_);
  const bool is_last = last == raft_last_applied(&self->raft_);
  if (!self->has_copy_ && (!is_last || last < kFirstCopyAt)) return RAFT_BUSY;
  Result<Range> all = self->machine_.range({});
  ORCH_CHECK(all.ok());
  Progress progress = self->progress_;
  progress.index = std::max<uint64_t>(progress.index, raft_last_applied(&self->raft_));
  self->copy_ = std::make_unique<StateCopy>(std::move(all->records), all->revision, progress,
                                            self->options_.cipher);
  const auto& pieces = self->copy_->pieces();
  *buffers = static_cast<raft_buffer*>(raft_malloc(pieces.size() * sizeof(raft_buffer)));
  *count = static_cast<unsigned>(pieces.size());
  size_t bytes = 0;
  for (size_t i = 0; i < pieces.size(); ++i) {
    // libraft only reads them.
    (*buffers)[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
    bytes += pieces[i].size();
  }
  self->copy_rule_.copied(bytes);
  self->set_copy_rule();
  return 0;
}

int Replica::drop_copy(raft_fsm* fsm, raft_buffer* buffers[], unsigned*) {
  Replica* const self = static_cast<Replica*>(fsm->data);
  raft_free(*buffers);
  self->copy_.reset();
  // libraft still looks at the rule by which it was made. (Should it have failed, the next start
  // sees to it.)
  self->made_first_copy_ = !self->has_copy_;
  return 0;
}

int Replica::take_copy(raft_fsm* fsm, raft_buffer* buffer) {
  Replica* const self = static_cast<Replica*>(fsm->data);
  const Result<void> restored =
      self->restore({static_cast<const char*>(buffer->base), buffer->len});
  if (!restored.ok()) return self->fail(restored.status());
  self->copy_rule_.copied(buffer->len);
  self->has_copy_ = true;
  raft_free(buffer->base);
  return 0;
}

Result<void> Replica::restore(std::string_view bytes) {
  ORCH_TRY(check_copy(bytes));
  const Progress copied = ORCH_TRY(progress_of(bytes));
  copied_ = copied.index;
  if (copied.index <= progress_.index) return {};  // At a start: the table is further.
  State state = ORCH_TRY(read_state(bytes, tagger_, options_.cipher));
  ORCH_TRY(machine_.restore(std::move(state.records), state.revision, state.progress.encode()));
  progress_ = state.progress;
  ++copies_taken_;
  give_up_restored();
  return {};
}

// What of ours the copy has in it was applied, but what became of each write isn't known here.
void Replica::give_up_restored() {
  const Origin last = progress_.last_of(options_.server);
  while (!open_.empty() && last.boot == options_.boot && open_.front().number <= last.number) {
    for (Proposal& proposal : open_.front().proposals) proposal.done(unknown_outcome());
    open_.pop_front();
    if (sent_ > 0) --sent_;
  }
}

// --- Between libraft and its disk and network.

int Replica::start_io(raft_io* io, unsigned, raft_io_tick_cb tick, raft_io_recv_cb receive) {
  Replica* const self = replica_of(io);
  self->tick_ = tick;
  self->receive_ = receive;
  return self->start_io_(io, self->options_.heartbeat_ms, take_tick, take_message);
}

void Replica::take_tick(raft_io* io) {
  Replica* const self = replica_of(io);
  if (!self->broken_) self->tick_(io);
}

void Replica::take_message(raft_io* io, raft_message* message) {
  Replica* const self = replica_of(io);
  if (!self->lets_in(*message)) return discard(message);
  if (message->type == RAFT_REQUEST_VOTE) return self->take_vote_request(message);
  if (message->type == RAFT_APPEND_ENTRIES) {
    cut_before_change(&message->append_entries);
    keep_commit(raft_commit_index(&self->raft_), &message->append_entries);
  }
  self->receive_(io, message);
}

// libraft's learner never votes. One that was made a voter and has not heard of it may be needed,
// and who asks knows whose votes count.
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
  const bool learns = role != RAFT_VOTER && raft_state(&raft_) == RAFT_FOLLOWER;
  if (learns && now() - raft_.election_timer_start >= raft_.election_timeout) {
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
  Replica* const self = replica_of(io);
  if (self->broken_) {  // Least of all what its disk could not keep.
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

int Replica::load(raft_io* io, raft_term* term, raft_id* voted_for, raft_snapshot** snapshot,
                  raft_index* start_index, raft_entry* entries[], size_t* count) {
  Replica* const self = replica_of(io);
  const int code = self->load_(io, term, voted_for, snapshot, start_index, entries, count);
  if (code != 0 || !begins_as_sole_voter(self->options_.server, *snapshot, *entries, *count)) {
    return code;
  }
  *voted_for = 0;
  return set_term(io, ++*term);
}

// libraft frees twice what came with a message whose term or vote it could not keep. So it hears
// nothing of that; what it says from then on is not sent.
int Replica::set_term(raft_io* io, raft_term term) {
  Replica* const self = replica_of(io);
  if (const int code = self->set_term_(io, term); code != 0) self->disk_failed(raft_strerror(code));
  return 0;
}

int Replica::set_vote(raft_io* io, raft_id server) {
  Replica* const self = replica_of(io);
  if (const int code = self->set_vote_(io, server); code != 0)
    self->disk_failed(raft_strerror(code));
  return 0;
}

void Replica::disk_failed(const std::string& why) {
  if (broken_) return;
  fail(service_unavailable("the log could not be written: " + why +
                           "; this server takes no part until orch is restarted"));
}

int Replica::get_copy(raft_io* io, raft_io_snapshot_get* request, raft_io_snapshot_get_cb done) {
  struct Getting {
    raft_io_snapshot_get request{};
    Replica* self = nullptr;
    raft_io_snapshot_get* theirs = nullptr;
    raft_io_snapshot_get_cb done = nullptr;
  };
  auto* const getting = new Getting{.self = replica_of(io), .theirs = request, .done = done};
  getting->request.data = getting;
  const auto got = [](raft_io_snapshot_get* ended, raft_snapshot* copy, int code) {
    const std::unique_ptr<Getting> own(static_cast<Getting*>(ended->data));
    if (code == 0 && !own->self->is_sound(*copy)) {
      raft_configuration_close(&copy->configuration);
      raft_free(copy->bufs[0].base);
      raft_free(copy->bufs);
      raft_free(copy);
      code = RAFT_CORRUPT;
    }
    if (code != 0) {
      log::error("store", std::string("read the log's copy of the state: ") + raft_strerror(code));
      copy = static_cast<raft_snapshot*>(raft_calloc(1, sizeof *copy));
      copy->bufs = static_cast<raft_buffer*>(raft_calloc(1, sizeof *copy->bufs));
      copy->n_bufs = 1;
    }
    own->self->read_copy_term_ = copy->term;
    own->done(own->theirs, copy, 0);
  };
  const int code = replica_of(io)->get_copy_(io, &getting->request, got);
  if (code != 0) delete getting;
  return code;
}

// Nobody else must hear of damage on this disk.
bool Replica::is_sound(const raft_snapshot& copy) {
  const raft_buffer& bytes = copy.bufs[0];
  const auto checked = check_copy({static_cast<const char*>(bytes.base), bytes.len});
  if (!checked.ok()) fail(checked.status());
  return checked.ok();
}

// A leader that once heard of entries from this server sends only what follows them. Where they are
// gone, because an old copy of the disk was put in place, it has nothing to send, for ever.
void Replica::look_for_old_disk(const raft_append_entries& entries) {
  const uint64_t last = raft_last_index(&raft_);
  if (entries.leader_commit <= last || entries.n_entries > 0) {
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

bool Replica::lets_in(const raft_message& message) {
  if (broken_) return false;
  if (message.type == RAFT_APPEND_ENTRIES) look_for_old_disk(message.append_entries);
  if (message.type == RAFT_INSTALL_SNAPSHOT) return copy_ == nullptr;
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
