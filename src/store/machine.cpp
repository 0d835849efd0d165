#include "store/machine.h"

#include <algorithm>
#include <mutex>
#include <shared_mutex>

#include "base/check.h"
#include "base/log.h"
#include "store/expected.h"

namespace orch::store {

namespace {

// How many revisions a relaxed write reserves: one fsync in so many, and the gap that a crash
// leaves at most.
constexpr int64_t kReservedRevisions = 1000;
// So many unsaved rows don't wait for their time: a flush is one transaction, and must not hold up
// the writes behind it.
constexpr size_t kMaxUnsavedRows = 512;
constexpr std::chrono::seconds kFullDiskRetry{30};

Status too_large_version(int64_t wanted, int64_t current) {
  Status status = gateway_timeout("Too large resource version: " + std::to_string(wanted) +
                                  ", current: " + std::to_string(current));
  status.details.causes = {{"ResourceVersionTooLarge", "Too large resource version", ""}};
  status.details.retry_after_s = 1;
  return status;
}

}  // namespace

// What a batch would change, worked out before anything is changed.
struct Machine::Batch {
  struct Step {
    Event event;
    Durability durability;
  };
  std::vector<Step> steps;
  std::unordered_map<std::string_view, RecordPtr> now;  // Keys changed so far; null: deleted.
  int64_t revision = 0;
};

Machine::Machine(const Options& options, std::unique_ptr<Table> table, Table::Loaded loaded)
    : clock_(*options.clock),
      relaxed_flush_ms_(options.relaxed_flush_ms),
      history_(options.history_events, options.history_bytes, loaded.revision),
      revision_(loaded.revision),
      table_(std::move(table)),
      floor_(loaded.revision) {
  index_.load(std::move(loaded.records));
}

void Machine::apply(std::vector<Proposal> proposals, std::optional<std::string> note) {
  hub_.wait_for_room();
  Batch batch{.steps = {}, .now = {}, .revision = revision_};
  std::vector<Result<Committed>> answers;
  answers.reserve(proposals.size());
  for (const Proposal& proposal : proposals) answers.push_back(stage(proposal.write, &batch));

  if (note && !batch.steps.empty()) {
    save_or_keep(&batch, *std::move(note));
    publish(batch);
  } else if (!batch.steps.empty()) {
    if (const Result<void> saved = save(batch); saved.ok()) {
      note_unsaved(batch);
      publish(batch);
    } else {
      if (health_ == Health::full && !flush_at_) {
        flush_at_ = clock_.monotonic() + kFullDiskRetry;
      }
      // Nothing of the batch has happened; what lost against one of its writes hears so, too.
      for (Result<Committed>& answer : answers) answer = saved.status();
    }
  }
  for (size_t i = 0; i < proposals.size(); ++i) proposals[i].done(std::move(answers[i]));
}

Result<Committed> Machine::stage(const Write& write, Batch* batch) const {
  RecordPtr current;
  if (const auto staged = batch->now.find(write.key); staged != batch->now.end()) {
    current = staged->second;
  } else if (const RecordPtr* found = index_.find(write.key)) {
    current = *found;
  }
  ORCH_TRY(check_expected(write, current ? current->revision : 0));

  Event event;
  event.revision = ++batch->revision;
  event.previous = current;
  if (write.bytes) {
    event.type = EventType::put;
    event.record =
        Record::make({.key = write.key,
                      .bytes = *write.bytes,
                      .revision_at = write.revision_at,
                      .create_revision = current ? current->create_revision : event.revision,
                      .revision = event.revision,
                      // Unique, for a revision is: replicas need not agree on another counter.
                      .row = current ? current->row : event.revision},
                     write.tags);
    batch->now.insert_or_assign(write.key, event.record);
  } else {
    event.type = EventType::remove;
    event.record = current->at_deletion(event.revision);
    batch->now.insert_or_assign(write.key, nullptr);
  }
  batch->steps.push_back({event, write.durability});
  return Committed{event.revision, event.record, event.previous};
}

std::optional<int64_t> Machine::floor_for(const Batch& batch) const {
  const Batch::Step& last = batch.steps.back();
  const bool relaxed = last.durability == Durability::relaxed;
  // A row that holds the last revision is floor enough.
  if (last.event.type == EventType::put && !relaxed) return std::nullopt;
  if (batch.revision <= floor_) return std::nullopt;
  return batch.revision + (relaxed ? kReservedRevisions : 0);
}

Result<void> Machine::save(const Batch& batch) {
  ORCH_TRY(table_->health());
  std::vector<Table::Change> changes;
  for (const auto& [event, durability] : batch.steps) {
    if (durability == Durability::relaxed) continue;
    const bool put = event.type == EventType::put;
    changes.push_back({event.record->row, put ? event.record : nullptr});
  }
  const std::optional<int64_t> floor = floor_for(batch);
  if (!changes.empty() || floor) {
    const Result<void> written = table_->write(changes, floor);
    note_health(written);
    ORCH_TRY(written);
  }
  floor_ = std::max(floor_, floor.value_or(changes.empty() ? 0 : batch.revision));
  return {};
}

void Machine::save_or_keep(Batch* batch, std::string note) {
  std::vector<Table::Change> changes;
  for (Batch::Step& step : batch->steps) {
    step.durability = Durability::durable;
    const bool put = step.event.type == EventType::put;
    changes.push_back({step.event.record->row, put ? step.event.record : nullptr});
  }
  if (unsaved_.empty()) {
    // A row that holds the last revision is floor enough.
    const bool in_row = batch->steps.back().event.type == EventType::put;
    const auto floor = in_row ? std::nullopt : std::optional(batch->revision);
    const Result<void> saved = table_->write(changes, floor, note);
    note_health(saved);
    if (saved.ok()) return;
    log::warning("store", "kept in the replicated log and in memory: " + saved.status().message);
  }
  // The table stays whole at an older state; a start from there finds the rest in the log.
  for (Batch::Step& step : batch->steps) step.durability = Durability::relaxed;
  unsaved_note_ = std::move(note);
  note_unsaved(*batch);
}

void Machine::note_unsaved(const Batch& batch) {
  for (const auto& [event, durability] : batch.steps) {
    const bool put = event.type == EventType::put;
    if (durability == Durability::durable) {
      unsaved_.erase(event.record->row);
    } else {
      unsaved_[event.record->row] = put ? event.record : nullptr;
    }
  }
  if (unsaved_.empty()) {
    flush_at_.reset();
  } else if (unsaved_.size() >= kMaxUnsavedRows && health_ == Health::good) {
    flush_at_ = clock_.monotonic();
  } else if (!flush_at_) {
    flush_at_ = clock_.monotonic() + std::chrono::milliseconds(relaxed_flush_ms_);
  }
}

void Machine::publish(const Batch& batch) {
  std::vector<Event> events;
  events.reserve(batch.steps.size());
  for (const Batch::Step& step : batch.steps) events.push_back(step.event);
  publish(events, batch.revision);
}

void Machine::bring_in(const std::vector<Event>& events, int64_t revision) {
  hub_.wait_for_room();
  publish(events, revision);
}

void Machine::publish(const std::vector<Event>& events, int64_t revision) {
  const std::unique_lock lock(lock_);
  for (const Event& event : events) {
    if (event.type == EventType::put) {
      index_.put(event.record);
    } else {
      index_.erase(event.record->key);
    }
    history_.append(event);
  }
  revision_ = revision;
  hub_.publish(events, revision_);  // Within the lock: watch() relies on it.
}

void Machine::note_health(const Result<void>& written) {
  const Health before = health_;
  Health now = Health::good;
  if (!written) now = table_->health() ? Health::full : Health::failed;
  if (now == before) return;
  health_ = now;
  if (now == Health::good) log::info("store", "there is space again: writes go on");
  if (now == Health::full) log::error("store", written.status().message);
}

std::optional<MonoTime> Machine::flush_at() const { return flush_at_; }

void Machine::flush() {
  flush_at_.reset();
  if (unsaved_.empty() && health_ != Health::full) return;
  std::vector<Table::Change> changes;
  changes.reserve(unsaved_.size());
  for (const auto& [row, record] : unsaved_) changes.push_back({row, record});
  std::ranges::sort(changes, {}, &Table::Change::row);  // Neighbouring pages together.
  // With nothing to save it is a look whether a full disk has room again.
  const bool with_floor = changes.empty() || unsaved_note_;
  const auto floor = with_floor ? std::optional(std::max(floor_, revision_)) : std::nullopt;
  const Result<void> written = table_->write(changes, floor, unsaved_note_);
  note_health(written);
  if (written.ok()) {
    unsaved_.clear();
    unsaved_note_.reset();
    return;
  }
  if (!changes.empty()) {
    log::warning("store", "relaxed writes stay in memory: " + written.status().message);
  }
  // A full disk may get room; after any other failure there is no use in trying again.
  if (table_->health().ok()) flush_at_ = clock_.monotonic() + kFullDiskRetry;
}

Result<void> Machine::restore(std::vector<RecordPtr> records, int64_t revision, std::string note) {
  std::vector<Table::Change> rows;
  rows.reserve(records.size());
  for (const RecordPtr& record : records) rows.push_back({record->row, record});
  std::ranges::sort(rows, {}, &Table::Change::row);
  if (table_) ORCH_TRY(table_->replace(rows, revision, note));
  unsaved_.clear();
  unsaved_note_.reset();
  flush_at_.reset();
  floor_ = revision;

  const std::unique_lock lock(lock_);
  index_.load(std::move(records));
  history_.restart(revision);
  revision_ = revision;
  hub_.end_watches();
  return {};
}

void Machine::close() {
  if (!table_) return;
  flush();
  if (unsaved_.empty() && floor_ > revision_) {
    if (const Result<void> written = table_->write({}, revision_); !written.ok()) {
      log::warning("store", "close: " + written.status().message);
    }
  }
  table_.reset();
}

RecordPtr Machine::get(std::string_view key) const {
  const std::shared_lock lock(lock_);
  const RecordPtr* found = index_.find(key);
  return found != nullptr ? *found : nullptr;
}

size_t Machine::count(std::string_view prefix) const {
  const std::shared_lock lock(lock_);
  return index_.count(prefix);
}

int64_t Machine::revision() const {
  const std::shared_lock lock(lock_);
  return revision_;
}

Result<Range> Machine::range(const Query& query) const {
  const std::shared_lock lock(lock_);
  if (query.at_revision == 0 || query.at_revision == revision_) return range_now(query);
  if (query.at_revision > revision_) return too_large_version(query.at_revision, revision_);
  if (query.at_revision < history_.floor()) {
    return expired("the state at revision " + std::to_string(query.at_revision) +
                   " is forgotten (" + std::to_string(history_.floor()) + ")");
  }
  return range_then(query);
}

// Adds the record to a range that has a filter, or says that there is more.
void Machine::take(const Query& query, const RecordPtr& record, Range* range) {
  if (!query.keep(*record)) return;
  range->more = query.limit != 0 && range->records.size() == query.limit;
  if (!range->more) range->records.push_back(record);
}

Range Machine::range_now(const Query& query) const {
  Range range;
  range.revision = revision_;
  Index::Walk walk = query.start_after < query.prefix ? index_.from(query.prefix)
                                                      : index_.after(query.start_after);
  size_t left = index_.count(query.prefix, query.start_after);
  if (query.keep) {
    for (; left > 0 && !range.more; --left, walk.next()) {
      if (walk.marks().may_hold(query.marks)) take(query, *walk.peek(), &range);
    }
    return range;
  }
  const size_t wanted = query.limit == 0 ? left : std::min(left, query.limit);
  range.records.reserve(wanted);
  for (size_t i = 0; i < wanted; ++i, walk.next()) range.records.push_back(*walk.peek());
  range.remaining = left - wanted;
  range.more = range.remaining > 0;
  return range;
}

// The state now, with what has changed since taken back while walking.
Range Machine::range_then(const Query& query) const {
  const auto undo = history_.undo(query, query.at_revision);
  Range range;
  range.revision = query.at_revision;
  Index::Walk walk = query.start_after < query.prefix ? index_.from(query.prefix)
                                                      : index_.after(query.start_after);
  size_t left = index_.count(query.prefix, query.start_after);
  auto then = undo.begin();
  const auto is_full = [&] {
    if (query.keep) return range.more;
    return query.limit != 0 && range.records.size() == query.limit;
  };
  while (!is_full()) {
    const RecordPtr* now = left > 0 ? walk.peek() : nullptr;
    if (now == nullptr && then == undo.end()) break;
    const bool is_now = now != nullptr && (then == undo.end() || (*now)->key <= then->first);
    const bool is_then = then != undo.end() && (now == nullptr || then->first <= (*now)->key);
    const RecordPtr& record = is_then ? then->second : *now;
    if (record && query.keep) {
      take(query, record, &range);
    } else if (record) {
      range.records.push_back(record);
    }
    if (is_then) ++then;
    if (is_now) {
      walk.next();
      --left;
    }
  }
  if (query.keep) return range;
  // What remains was there then: what is there now, less what came, plus what went since.
  range.remaining = left;
  for (; then != undo.end(); ++then) {
    if (index_.find(then->first) != nullptr) --range.remaining;
    if (then->second) ++range.remaining;
  }
  range.more = range.remaining > 0;
  return range;
}

Result<std::unique_ptr<Watch>> Machine::watch(std::string_view prefix, int64_t from_revision,
                                              Sink sink) {
  // No publish() comes between the look at the history and joining the hub.
  const std::shared_lock lock(lock_);
  if (from_revision < history_.floor()) {
    return expired("too old resource version: " + std::to_string(from_revision) + " (" +
                   std::to_string(history_.floor()) + ")");
  }
  return hub_.add(prefix, from_revision, std::max(from_revision, revision_),
                  history_.since(from_revision, prefix), std::move(sink));
}

}  // namespace orch::store
