#include "witness.h"

#include <map>
#include <optional>

namespace orch::sim {

namespace {

struct Held {  // A key's object, its revision's digits left out.
  std::string bytes;
  size_t digits_at = 0;
  int64_t revision = 0;

  std::string at(int64_t other) const {
    return std::string(bytes).insert(digits_at, std::to_string(other));
  }
};

std::optional<Held> held_by(const store::Machine& machine, const std::string& key) {
  const store::RecordPtr record = machine.get(key);
  if (!record) return std::nullopt;
  std::string bytes(record->bytes);
  bytes.erase(record->revision_at, record->revision_len);
  return Held{std::move(bytes), record->revision_at, record->revision};
}

bool wins(const store::Write& write, const std::optional<Held>& held) {
  if (!write.bytes && !held) return false;
  return write.expected_revision.value_or(held ? held->revision : 0) == (held ? held->revision : 0);
}

}  // namespace

Witness::Witness(raft_io& io, const store::Machine& machine, Applied applied, Restored restored,
                 Complain complain)
    : machine_(machine),
      applied_(std::move(applied)),
      restored_(std::move(restored)),
      complain_(std::move(complain)) {
  raft& log = *static_cast<raft*>(io.data);  // raft_init() puts itself there.
  replica_ = log.fsm;
  fsm_.version = replica_->version;
  fsm_.data = this;
  fsm_.apply = apply;
  fsm_.snapshot = make_copy;
  fsm_.snapshot_finalize = drop_copy;
  fsm_.restore = take_copy;
  log.fsm = &fsm_;
}

// What follows from the entry, if it counts, for the state as it is now.
std::vector<Fact> Witness::expect(const store::Entry& entry) const {
  std::vector<Fact> facts;
  std::map<std::string, std::optional<Held>> changed;
  int64_t revision = machine_.revision();
  for (const store::Write& write : entry.writes) {
    auto& held = changed.try_emplace(write.key, held_by(machine_, write.key)).first->second;
    if (!wins(write, held)) continue;
    ++revision;
    if (write.bytes) held = Held{*write.bytes, write.revision_at, revision};
    facts.push_back({write.key, held->at(revision), !write.bytes});
    if (!write.bytes) held.reset();
  }
  return facts;
}

int Witness::apply(raft_fsm* fsm, const raft_buffer* buffer, void** result) {
  Witness* const self = of(fsm);
  const Result<store::Entry> entry =
      store::decode_entry({static_cast<const char*>(buffer->base), buffer->len});
  const std::vector<Fact> facts = entry.ok() ? self->expect(*entry) : std::vector<Fact>{};
  const int64_t before = self->machine_.revision();
  const int code = self->replica_->apply(self->replica_, buffer, result);
  const int64_t made = self->machine_.revision() - before;
  if (made == 0) return code;  // It didn't count, or every write of it lost.
  if (made != static_cast<int64_t>(facts.size())) {
    self->complain_("an entry of " + std::to_string(facts.size()) + " changes made " +
                    std::to_string(made) + " revisions");
    return code;
  }
  for (size_t i = 0; i < facts.size(); ++i) {
    self->applied_(before + 1 + static_cast<int64_t>(i), facts[i]);
  }
  return code;
}

int Witness::make_copy(raft_fsm* fsm, raft_buffer* buffers[], unsigned* count) {
  return of(fsm)->replica_->snapshot(of(fsm)->replica_, buffers, count);
}

int Witness::drop_copy(raft_fsm* fsm, raft_buffer* buffers[], unsigned* count) {
  return of(fsm)->replica_->snapshot_finalize(of(fsm)->replica_, buffers, count);
}

int Witness::take_copy(raft_fsm* fsm, raft_buffer* buffer) {
  Witness* const self = of(fsm);
  const int64_t before = self->machine_.revision();
  const int code = self->replica_->restore(self->replica_, buffer);
  if (self->machine_.revision() != before) self->restored_(before, self->machine_.revision());
  return code;
}

}  // namespace orch::sim
