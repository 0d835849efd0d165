#include "store/replica.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/log.h"
#include "store/damage.h"

namespace orch::store {

namespace {

constexpr size_t kMaxOpen = 4;  // Of ours; more of them would not be faster (facts in ADR 0006).
constexpr size_t kMaxEntryWrites = 1024;
constexpr size_t kMaxEntryBytes = 1u << 20;
// So many at once, as after an entry's answers, become two: one is applied while one is on its way.
constexpr size_t kPartedWrites = 64;
constexpr size_t kMaxForwarded = 64;  // Of others; they send again.
// libraft sends a heartbeat with a tick, unless it has sent something in so many milliseconds; to a
// follower that it has not heard of since the tick before, which any quiet one is then, it also
// sends new entries that seldom. So this is much less than a tick.
constexpr unsigned kQuietMs = 10;
constexpr unsigned kCopyAgainMs = 10'000;  // A copy of the state is sent again after so long.

Status unknown_change() {
  return gateway_timeout("the change of the servers was not agreed on in time; it may still be");
}

Status no_leader() {
  Status status = service_unavailable("no server leads the cluster at the moment");
  status.details.retry_after_s = 1;
  return status;
}

size_t bytes_of(const Write& write) {
  return write.key.size() + (write.bytes ? write.bytes->size() : 0);
}

// What libraft said of its files.
Status log_failure(const std::string& what, int code, const char* text) {
  const bool is_wrong = code == RAFT_CORRUPT || code == RAFT_MALFORMED;
  std::string message = what + ": " + raft_strerror(code) + ": " + text;
  return is_wrong ? damaged(std::move(message)) : service_unavailable(std::move(message));
}

Replica* replica_of(raft_fsm* fsm) { return static_cast<Replica*>(fsm->data); }

}  // namespace

Replica::Replica(const Options& options, raft_io& io, Machine& machine, Store::Tagger tagger,
                 Peers& peers, Aside aside)
    : options_(options),
      io_(io),
      machine_(machine),
      tagger_(std::move(tagger)),
      peers_(peers),
      aside_(std::move(aside)),
      reads_({options.server, options.boot}, peers, options.resend_ms, options.election_ms),
      membership_(
          {options.server, options.boot}, raft_, peers, options.resend_ms,
          [this] { hand_over([] {}); }, [this](SyncDone done) { sync(std::move(done)); }),
      copy_rule_(options.copies) {
  fsm_.version = 2;
  fsm_.data = this;
  fsm_.apply = apply_entry;
  fsm_.snapshot = make_copy;
  fsm_.snapshot_finalize = drop_copy;
  fsm_.restore = take_copy;
  init_code_ = raft_init(&raft_, &io_, &fsm_, options_.server, options_.address.c_str());
  raft_.data = this;
  if (init_code_ != 0) return;
  start_io_ = std::exchange(io_.start, start_io);
  send_ = std::exchange(io_.send, send_message);
  load_ = std::exchange(io_.load, load);
  set_term_ = std::exchange(io_.set_term, set_term);
  set_vote_ = std::exchange(io_.set_vote, set_vote);
  get_copy_ = std::exchange(io_.snapshot_get, get_copy);
  raft_set_election_timeout(&raft_, options_.election_ms);
  raft_set_heartbeat_timeout(&raft_, kQuietMs);
  raft_set_install_snapshot_timeout(&raft_, kCopyAgainMs);
  raft_set_pre_vote(&raft_, true);
  raft_set_capacity_threshold(&raft_, kLowRoomKilobytes);
}

Replica::~Replica() = default;

Result<void> Replica::begin_log(const std::vector<Member>& members) {
  raft_configuration configuration;
  raft_configuration_init(&configuration);
  int code = 0;
  for (const Member& member : members) {
    const int role = member.voter ? RAFT_VOTER : RAFT_STANDBY;
    code = raft_configuration_add(&configuration, member.server, member.address.c_str(), role);
    if (code != 0) break;
  }
  if (code == 0) code = raft_bootstrap(&raft_, &configuration);
  raft_configuration_close(&configuration);
  if (code == 0 || code == RAFT_CANTBOOTSTRAP) return {};  // It has begun.
  return service_unavailable(std::string("begin the log: ") + raft_strerror(code));
}

Result<void> Replica::make_alone() {
  raft_configuration self;
  raft_configuration_init(&self);
  int code = raft_configuration_add(&self, options_.server, options_.address.c_str(), RAFT_VOTER);
  if (code == 0) code = raft_recover(&raft_, &self);
  raft_configuration_close(&self);
  if (code == 0) return {};
  return service_unavailable(std::string("take the log over: ") + raft_strerror(code));
}

Result<void> Replica::start(std::string_view note, const std::vector<Member>& first_members) {
  if (init_code_ != 0) return log_failure("open the log", init_code_, io_.errmsg);
  if (!note.empty()) progress_ = ORCH_TRY(Progress::decode(note));
  if (note.empty() && !first_members.empty()) ORCH_TRY(begin_log(first_members));
  if (options_.alone) ORCH_TRY(make_alone());
  const int code = raft_start(&raft_);
  if (options_.renew) has_copy_ = false;
  set_copy_rule();
  if (broken_) return *broken_;
  if (code != 0) return log_failure("read the log", code, raft_errmsg(&raft_));
  // (The table may be a few entries ahead of the log: the others had them on disk first.)
  if (progress_.index > 0 && raft_last_index(&raft_) == 0) {
    return damaged("the log of this server is gone, but its state is at entry " +
                   std::to_string(progress_.index));
  }
  return {};
}

void Replica::close(std::function<void()> closed) {
  closed_ = std::move(closed);
  if (init_code_ != 0) return closed_();
  raft_close(&raft_, [](raft* self) {
    auto* const replica = static_cast<Replica*>(self->data);
    replica->refuse_all(service_unavailable("the store is closed"));
    replica->closed_();
  });
}

void Replica::refuse_all(const Status& why) {
  const auto waiting = std::exchange(waiting_, {});
  for (const Waiting& each : waiting) each.proposal.done(why);
  const auto open = std::exchange(open_, {});
  for (const Batch& batch : open) {
    for (const Proposal& proposal : batch.proposals) proposal.done(unknown_outcome());
  }
  waiting_bytes_ = 0;
  reads_.give_up(now(), why);
  membership_.give_up(now(), why);
}

bool Replica::leads() { return raft_state(&raft_) == RAFT_LEADER; }

uint64_t Replica::leader() {
  raft_id id = 0;
  const char* address = nullptr;
  raft_leader(&raft_, &id, &address);
  return id;
}

Status Replica::unknown_outcome() {
  return gateway_timeout("the write may or may not have happened: no leader confirmed it in time");
}

// --- What libraft calls.

int Replica::apply_entry(raft_fsm* fsm, const raft_buffer* buffer, void** result) {
  *result = nullptr;
  Replica* const self = replica_of(fsm);
  if (self->broken_) return 0;
  self->copy_rule_.applied(raft_last_applied(&self->raft_) + 1, buffer->len);
  const Result<void> applied = self->apply({static_cast<const char*>(buffer->base), buffer->len});
  // libraft would free twice what came with the message that led to this.
  if (!applied.ok()) self->fail(applied.status());
  return 0;
}

int Replica::fail(Status why) {
  log::error("store", why.message);
  if (!broken_) broken_ = std::move(why);
  return RAFT_CORRUPT;
}

Result<void> Replica::apply(std::string_view bytes) {
  const uint64_t index = raft_last_applied(&raft_) + 1;
  Entry entry = ORCH_TRY(decode_entry(bytes, options_.cipher));
  if (entry.index != index) {
    return damaged("entry " + std::to_string(index) + " of the log says that it is entry " +
                   std::to_string(entry.index) + ": the log is damaged");
  }
  if (index <= progress_.index) {  // The table had it already when this server started.
    if (index < progress_.index || entry.term == progress_.term) return {};
    return damaged("the state of this server was made by another log than this one");
  }
  progress_.index = index;
  progress_.term = entry.term;
  if (progress_.look_at(entry.origin) != Progress::Turn::next) return {};
  progress_.accept(entry.origin);

  const bool ours = entry.origin.server == options_.server && entry.origin.boot == options_.boot;
  if (ours) ORCH_CHECK(!open_.empty() && open_.front().number == entry.origin.number);
  std::vector<Proposal> proposals;
  if (ours) proposals = std::move(open_.front().proposals);
  if (proposals.empty()) {
    proposals.reserve(entry.writes.size());
    for (Write& write : entry.writes) {
      if (write.bytes) write.tags = tagger_(write.key, *write.bytes);
      proposals.push_back({std::move(write), [](const Result<Committed>&) {}});
    }
  }
  if (ours) {
    open_.pop_front();
    if (sent_ > 0) --sent_;
  }
  machine_.apply(std::move(proposals), progress_.encode(), entry.term);
  return {};
}

// --- Writing.

void Replica::propose(Proposal proposal) {
  if (broken_) return proposal.done(*broken_);
  waiting_bytes_ += bytes_of(proposal.write);
  waiting_.push_back({std::move(proposal), now()});
}

void Replica::turn() {
  if (broken_) {
    end_handing_over();
    return refuse_all(*broken_);
  }
  if (std::exchange(made_first_copy_, false)) has_copy_ = true;
  set_copy_rule();
  lead_to_first_copy();
  look_at_leader();
  look_at_members();
  give_up_late();
  refuse_when_full();
  fill_batches();
  send_batches();
  membership_.turn(now(), known_leader_, leads(), has_copy_);
  reads_.turn(standing());
  go_on_handing_over();
  tell_commit();
}

void Replica::set_election_ms(unsigned ms) {
  if (raft_.election_timeout != ms) raft_set_election_timeout(&raft_, ms);
}

// A write that nobody has seen yet is refused; of one that was sent, the outcome isn't known, and
// it stays open, for later ones count only after it.
void Replica::give_up_late() {
  const uint64_t time = now();
  while (!waiting_.empty() && time - waiting_.front().since >= options_.give_up_ms) {
    waiting_bytes_ -= bytes_of(waiting_.front().proposal.write);
    const Proposal late = std::move(waiting_.front().proposal);
    waiting_.pop_front();
    late.done(no_leader());
  }
  for (Batch& batch : open_) {
    if (time - batch.since < options_.give_up_ms) break;
    for (Proposal& proposal : batch.proposals) proposal.done(unknown_outcome());
    batch.proposals.clear();
  }
  const auto before = [time](uint64_t ms) { return time - std::min(time, ms); };
  reads_.give_up(before(options_.give_up_ms), no_leader());
  membership_.give_up(before(options_.give_up_change_ms), unknown_change());
}

void Replica::fill_batches() {
  if (known_leader_ == 0) return;
  size_t max_writes = kMaxEntryWrites;
  if (open_.empty() && waiting_.size() >= kPartedWrites) {
    max_writes = std::min(max_writes, waiting_.size() / 2);
  }
  while (open_.size() < kMaxOpen && !waiting_.empty()) {
    Batch batch{.number = ++batches_, .proposals = {}, .bytes = {}, .since = now()};
    std::vector<const Write*> writes;
    size_t bytes = 0;
    while (!waiting_.empty() && batch.proposals.size() < max_writes && bytes < kMaxEntryBytes) {
      bytes += bytes_of(waiting_.front().proposal.write);
      waiting_bytes_ -= bytes_of(waiting_.front().proposal.write);
      batch.since = std::min(batch.since, waiting_.front().since);
      batch.proposals.push_back(std::move(waiting_.front().proposal));
      waiting_.pop_front();
    }
    for (const Proposal& proposal : batch.proposals) writes.push_back(&proposal.write);
    const Origin origin{options_.server, options_.boot, batch.number};
    batch.bytes = encode_entry(origin, writes, options_.cipher);
    open_.push_back(std::move(batch));
  }
}

void Replica::send_batches() {
  if (known_leader_ == 0 || handed_over_) return forwarded_.clear();
  if (leads() && writes_first_copy()) return;
  if (leads()) {
    for (Forwarded& each : std::exchange(forwarded_, {})) {
      // See forget_removed().
      if (membership_.has(each.from)) (void)submit(std::move(each.bytes));
    }
  }
  forwarded_.clear();
  if (sent_ < open_.size()) sent_at_ = now();
  for (; sent_ < open_.size(); ++sent_) {
    if (leads() && waits_for_first_copy()) return;
    const std::string& bytes = open_[sent_].bytes;
    if (leads()) {
      if (!submit(bytes)) {
        refused_until_ = now() + options_.resend_ms;
        break;
      }
      open_[sent_].seen = true;
    } else {
      open_[sent_].seen = true;
      std::string out;
      pack_number(static_cast<uint64_t>(PeerMessage::batch), &out);
      peers_.send(known_leader_, out + bytes);
    }
  }
}

// To libraft; false when most servers have no room for it. What becomes of it is seen in apply(),
// so its callback only frees; a refusal, too, is met by sending again.
bool Replica::submit(std::string bytes) {
  if (raft_transferee(&raft_) != 0) return true;
  stamp_entry(bytes.data(), raft_last_index(&raft_) + 1, term());
  raft_buffer buffer{raft_malloc(bytes.size()), bytes.size()};
  ORCH_CHECK(buffer.base != nullptr);
  std::memcpy(buffer.base, bytes.data(), bytes.size());
  auto* const request = new struct raft_apply();
  const auto free_it = [](struct raft_apply* done, int, void*) { delete done; };
  const int code = raft_apply(&raft_, request, &buffer, 1, free_it);
  if (code == 0) return true;
  delete request;
  // Of another failure than these, libraft has freed the entry already.
  if (code != RAFT_NOTLEADER && code != RAFT_NOSPACE) {
    disk_failed(raft_strerror(code));
    return true;
  }
  raft_free(buffer.base);
  return code != RAFT_NOSPACE;
}

// --- Reading, and what others say.

void Replica::sync(SyncDone done) {
  if (broken_) return done(*broken_);
  reads_.sync(std::move(done), now());
}

void Replica::change_members(MemberChange change, SyncDone done) {
  if (broken_) return done(*broken_);
  membership_.change(std::move(change), std::move(done), now());
}

ReadIndex::Standing Replica::standing() {
  ReadIndex::Standing standing{.now = now(),
                               .term = term(),
                               .leader = known_leader_,
                               .commit = raft_commit_index(&raft_),
                               .applied = raft_last_applied(&raft_),
                               .leads = leads(),
                               .lead_from = lead_from_,
                               .voters = {}};
  for (unsigned i = 0; i < raft_.configuration.n; ++i) {
    const raft_server& server = raft_.configuration.servers[i];
    if (server.role == RAFT_VOTER) standing.voters.push_back(server.id);
  }
  return standing;
}

void Replica::receive(uint64_t from, std::string_view message) {
  Unpacking in(message);
  const auto kind = static_cast<PeerMessage>(in.number());
  if (kind == PeerMessage::batch) {
    const Result<Entry> entry = decode_entry(in.rest());
    if (!entry.ok() || entry->origin.server != from || forwarded_.size() >= kMaxForwarded) return;
    forwarded_.push_back({from, std::string(in.rest())});
    return;
  }
  if (kind >= PeerMessage::change) return membership_.receive(from, kind, in.rest());
  const uint64_t first = in.number(), second = in.number();
  if (in.ok()) reads_.receive(from, kind, first, second, term());
}

}  // namespace orch::store
