// Replica: what takes the place of a log that got long, and what a start makes of it; and copies of
// the whole state for servers that lack too much.
#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "store/damage.h"
#include "store/replica.h"
#include "store/state_copy.h"

namespace orch::store {

namespace {

constexpr raft_index kFirstCopyAt = 2;

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

std::string_view bytes_of(const raft_snapshot& copy) {
  return {static_cast<const char*>(copy.bufs[0].base), copy.bufs[0].len};
}

}  // namespace

// When a copy is written, libraft asks at once whether the next is due; and how much stays behind
// the one that is being written was said when it began.
void Replica::set_copy_rule() {
  raft_set_snapshot_threshold(&raft_, has_copy_ ? copy_rule_.copy_after() : 1);
  if (copy_) return;
  raft_set_snapshot_trailing(&raft_, has_copy_ ? copy_rule_.keep() : 0);
}

// Where nobody writes, the log gets no second entry by itself; and where many write, the next entry
// follows before libraft asks for a copy, as it does with whatever happens: so something does.
void Replica::lead_to_first_copy() {
  if (has_copy_ || copy_) return;
  const raft_index last = raft_last_index(&raft_);
  if (last >= kFirstCopyAt && last == raft_last_applied(&raft_)) return tick_(&io_);
  if (!leads() || last + 1 != kFirstCopyAt) return;
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
  if (!self->put_table_on_disk()) return RAFT_BUSY;
  const uint64_t entry = raft_last_applied(&self->raft_);
  const uint64_t on_disk = *std::exchange(self->on_disk_, std::nullopt);
  const TableMark mark{.entry = entry, .on_disk = std::min(on_disk, entry)};
  // What the table may lose stays in the log.
  const uint64_t keep = std::max<uint64_t>(self->copy_rule_.keep(), mark.entry - mark.on_disk);
  raft_set_snapshot_trailing(&self->raft_, self->has_copy_ ? static_cast<unsigned>(keep) : 0);
  self->copy_ = encode_mark(mark);
  *buffers = static_cast<raft_buffer*>(raft_malloc(sizeof(raft_buffer)));
  *count = 1;
  (*buffers)[0] = {self->copy_->data(), self->copy_->size()};
  self->copy_rule_.copied();
  self->set_copy_rule();
  return 0;
}

// The state's, with entries that change nothing.
Progress Replica::progress_now() const {
  Progress progress = progress_;
  progress.index = std::max<uint64_t>(progress.index, raft_.last_applied);
  return progress;
}

// False: not yet. libraft asks again with whatever happens next. Before the first copy nothing may
// be written to the log meanwhile, so that one waits for the disk, which has little to do.
bool Replica::put_table_on_disk() {
  if (syncs_table_) return false;
  if (on_disk_ && has_copy_) return true;
  if (machine_.health() == Health::failed) {
    fail(
        service_unavailable("the table can't be written, and the log gets too long; this server "
                            "takes no part until orch is restarted"));
  }
  if (machine_.health() != Health::good || machine_.misses_much()) return false;
  const Progress progress = progress_now();
  if (!machine_.write_note(progress.encode())) return false;
  const auto sync = machine_.table_sync();
  if (!has_copy_) {
    if (!sync().ok()) return false;
    on_disk_ = progress.index;
    return true;
  }
  syncs_table_ = true;
  const auto synced = std::make_shared<bool>(false);
  aside_([sync, synced] { *synced = sync().ok(); },
         [this, synced, index = progress.index, taken = copies_taken_] {
           syncs_table_ = false;
           if (*synced && taken == copies_taken_) on_disk_ = index;
         });
  return false;
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
  if (self->broken_) return RAFT_CORRUPT;
  const Result<void> restored =
      self->restore({static_cast<const char*>(buffer->base), buffer->len});
  if (!restored.ok()) return self->fail(restored.status());
  self->copy_rule_.copied();
  self->has_copy_ = true;
  raft_free(buffer->base);
  return 0;
}

Result<void> Replica::restore(std::string_view bytes) {
  if (const auto mark = ORCH_TRY(decode_mark(bytes))) {
    if (mark->entry == copied_) return {};
    return internal_error("another server sent a mark of its table in the place of its state");
  }
  ORCH_TRY(check_copy(bytes));
  const Progress copied = ORCH_TRY(progress_of(bytes));
  copied_ = copied.index;
  if (copied.index <= progress_.index) return {};  // At a start: the table is further.
  State state = ORCH_TRY(read_state(bytes, tagger_, options_.cipher));
  ORCH_TRY(machine_.restore(std::move(state.records), state.revision, state.progress.encode()));
  progress_ = state.progress;
  ++copies_taken_;
  on_disk_.reset();  // That was of another table, and the log has nothing that leads from there.
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

// --- What libraft reads of it.

int Replica::load(raft_io* io, raft_term* term, raft_id* voted_for, raft_snapshot** snapshot,
                  raft_index* start_index, raft_entry* entries[], size_t* count) {
  Replica* const self = of(io);
  const int code = self->load_(io, term, voted_for, snapshot, start_index, entries, count);
  if (code != 0) return code;
  if (*snapshot != nullptr) {
    const auto applied = self->apply_up_to(**snapshot, *start_index, {*entries, *count});
    if (!applied.ok()) self->fail(applied.status());
  }
  if (!begins_as_sole_voter(self->options_.server, *snapshot, *entries, *count)) return 0;
  *voted_for = 0;
  return set_term(io, ++*term);
}

// At a start: entries that a mark stands for and the table lacks. libraft would not apply them.
Result<void> Replica::apply_up_to(const raft_snapshot& copy, raft_index first,
                                  std::span<const raft_entry> entries) {
  const auto mark = ORCH_TRY(decode_mark(bytes_of(copy)));
  if (!mark) return {};
  copied_ = mark->entry;
  if (progress_.index < mark->on_disk) {
    return damaged("the table of this server is at entry " + std::to_string(progress_.index) +
                   " of the log, and has been on disk up to entry " +
                   std::to_string(mark->on_disk) + ": it was lost, or is an old one");
  }
  if (progress_.index < copy.index && progress_.index + 1 < first) {
    return damaged("entries of the log that the table lacks are gone: those from " +
                   std::to_string(progress_.index + 1) + " to " + std::to_string(first - 1));
  }
  for (raft_index index = std::max<raft_index>(first, progress_.index + 1); index <= copy.index;
       ++index) {
    if (index - first >= entries.size()) return damaged("entries of the log are gone");
    raft_.last_applied = index - 1;
    void* none = nullptr;
    const raft_entry& entry = entries[index - first];
    if (entry.type == RAFT_COMMAND) raft_.fsm->apply(raft_.fsm, &entry.buf, &none);
    if (broken_) return *broken_;
  }
  raft_.last_applied = copy.index;
  progress_ = progress_now();
  return {};
}

struct Replica::Getting {
  raft_io_snapshot_get request{};
  Replica* self = nullptr;
  raft_io_snapshot_get* theirs = nullptr;
  raft_io_snapshot_get_cb done = nullptr;
  raft_snapshot* copy = nullptr;

  void end() const {
    self->read_copy_term_ = copy->term;
    done(theirs, copy, 0);
  }
};

int Replica::get_copy(raft_io* io, raft_io_snapshot_get* request, raft_io_snapshot_get_cb done) {
  auto* const getting = new Getting{.self = of(io), .theirs = request, .done = done};
  getting->request.data = getting;
  const auto got = [](raft_io_snapshot_get* ended, raft_snapshot* copy, int code) {
    const std::shared_ptr<Getting> own(static_cast<Getting*>(ended->data));
    own->copy = copy;
    if (code == 0) return own->self->fill_copy(own);
    log::error("store", std::string("read the log's copy of the state: ") + raft_strerror(code));
    own->copy = static_cast<raft_snapshot*>(raft_calloc(1, sizeof *copy));
    own->copy->bufs = static_cast<raft_buffer*>(raft_calloc(1, sizeof *copy->bufs));
    own->copy->n_bufs = 1;
    own->end();
  };
  const int code = of(io)->get_copy_(io, &getting->request, got);
  if (code != 0) delete getting;
  return code;
}

// What others get is what is in memory here, not what lies on the disk.
void Replica::fill_copy(std::shared_ptr<Getting> getting) {
  Result<Range> range = machine_.range({});
  ORCH_CHECK(range.ok());
  const auto all = std::make_shared<Range>(*std::move(range));
  const auto join = [getting, all, progress = progress_now(), cipher = options_.cipher] {
    const StateCopy state(std::move(all->records), all->revision, progress, cipher);
    size_t bytes = 0;
    for (const std::string_view piece : state.pieces()) bytes += piece.size();
    raft_buffer& joined = getting->copy->bufs[0];
    raft_free(joined.base);
    joined = {raft_malloc(bytes), bytes};
    auto* end = static_cast<char*>(joined.base);
    for (const std::string_view piece : state.pieces()) end = std::ranges::copy(piece, end).out;
  };
  aside_(join, [getting] { getting->end(); });
}

}  // namespace orch::store
