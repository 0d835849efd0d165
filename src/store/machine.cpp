#include "store/machine.h"

#include <algorithm>
#include <mutex>
#include <ranges>
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
constexpr size_t kFollowedAtOnce = 1024;  // Of the state that stands at the opening.

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
  uint64_t term = 0;
  std::vector<Proposal> proposals;
  std::vector<Result<Committed>> answers;
  bool in_table = false;  // To be synced.
  std::atomic<bool> settled{false};
};

Machine::Machine(const Options& options, std::unique_ptr<Table> table, Table::Loaded loaded)
    : clock_(*options.clock),
      relaxed_flush_ms_(options.relaxed_flush_ms),
      follow_(options.follow),
      history_(options.history_events, options.history_bytes, loaded.revision),
      revision_(loaded.revision),
      table_(std::move(table)),
      applied_revision_(loaded.revision),
      floor_(loaded.revision) {
  index_.load(std::move(loaded.records));
  follow_all();
}

// The state that stands, as if it came into being now.
void Machine::follow_all() {
  std::vector<Event> events;
  for (Index::Walk walk = index_.from(""); const RecordPtr* record = walk.peek(); walk.next()) {
    if ((*record)->tags.has_claims()) claims_.change(nullptr, *record);
    if (!follow_) continue;
    events.push_back({EventType::put, (*record)->revision, *record, nullptr});
    if (events.size() < kFollowedAtOnce) continue;
    follow_(events);
    events.clear();
  }
  if (!events.empty()) follow_(events);
}

void Machine::apply(std::vector<Proposal> proposals, std::optional<std::string> note,
                    uint64_t term) {
  hub_.wait_for_room();
  while (!in_flight_.empty() && in_flight_.front()->settled) in_flight_.pop_front();
  const auto batch = std::make_shared<Batch>();
  batch->revision = applied_revision_;
  batch->term = term;
  batch->proposals = std::move(proposals);
  batch->answers.reserve(batch->proposals.size());
  for (const Proposal& each : batch->proposals) {
    batch->answers.push_back(stage(each.write, batch.get()));
  }
  if (note) {
    if (!batch->steps.empty()) save_or_keep(batch.get(), *std::move(note));
    applied_revision_ = batch->revision;
    publish({&batch, 1});
    return answer(*batch);
  }
  if (!batch->steps.empty()) {
    if (const Result<void> saved = save(batch.get()); !saved.ok()) {
      if (health_ == Health::full && !flush_at_) {
        flush_at_ = clock_.monotonic() + kFullDiskRetry;
      }
      give_back_claims(*batch);
      // Nothing of the batch has happened; what lost against one of its writes hears so, too.
      return refuse(*batch, saved.status());
    }
    note_unsaved(*batch);
    applied_revision_ = batch->revision;
    in_flight_.push_back(batch);
  }
  const std::lock_guard lock(applied_mutex_);
  applied_.push_back(batch);
}

void Machine::answer(Batch& batch) {
  for (size_t i = 0; i < batch.proposals.size(); ++i) {
    batch.proposals[i].done(std::move(batch.answers[i]));
  }
}

void Machine::refuse(Batch& batch, const Status& why) {
  for (const Proposal& proposal : batch.proposals) proposal.done(why);
}

MonoTime::duration Machine::settle() {
  std::vector<std::shared_ptr<Batch>> batches;
  {
    const std::lock_guard lock(applied_mutex_);
    batches.swap(applied_);
  }
  const bool in_table = flushed_.exchange(false) || std::ranges::any_of(batches, &Batch::in_table);
  // Once a sync has failed, what was applied after it is lost as well.
  const MonoTime begin = clock_.monotonic();
  const Result<void> synced = in_table ? table_->sync() : table_->health();
  const auto took = clock_.monotonic() - begin;
  if (!synced) {
    health_ = Health::failed;
    for (const auto& batch : batches) refuse(*batch, synced.status());
    return took;
  }
  publish(batches);
  for (const auto& batch : batches) {
    batch->settled = true;
    answer(*batch);
    batch->proposals = {};  // Here, for the writer has more to do.
  }
  return took;
}

// As the writes of `batch` so far and of those before it leave it.
RecordPtr Machine::current(const std::string& key, const Batch& batch) const {
  if (const auto staged = batch.now.find(key); staged != batch.now.end()) return staged->second;
  for (const auto& earlier : std::ranges::reverse_view(in_flight_)) {
    if (const auto at = earlier->now.find(key); at != earlier->now.end()) return at->second;
  }
  return get(key);
}

Result<Committed> Machine::stage(const Write& write, Batch* batch) {
  ORCH_TRY(check_term(write, batch->term));
  const RecordPtr current = this->current(write.key, *batch);
  ORCH_TRY(check_expected(write, current ? current->revision : 0));
  if (!write.tags.claims.empty()) ORCH_TRY(check_claims(write));
  if (write.counted) ORCH_TRY(check_counted(*write.counted, *batch));

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
    batch->now.insert_or_assign(event.record->key, event.record);
  } else {
    event.type = EventType::remove;
    event.record = current->at_deletion(event.revision);
    batch->now.insert_or_assign(event.record->key, nullptr);
  }
  claims_.change(event.previous, write.bytes ? event.record : nullptr);
  batch->steps.push_back({event, write.durability});
  return Committed{event.revision, event.record, event.previous};
}

void Machine::give_back_claims(const Batch& batch) {
  for (const auto& [event, durability] : std::ranges::reverse_view(batch.steps)) {
    claims_.change(event.type == EventType::put ? event.record : nullptr, event.previous);
  }
}

Result<void> Machine::check_counted(const Write::Counted& counted, const Batch& batch) const {
  const auto is_new = [&](const RecordPtr& record) {
    return record && record->create_revision > counted.revision &&
           matches_prefix(record->key, counted.prefix);
  };
  const auto has_new = [&](const Batch& each) {
    return std::ranges::any_of(each.now, [&](const auto& entry) { return is_new(entry.second); });
  };
  bool changed = has_new(batch);
  for (const auto& earlier : in_flight_) changed = changed || has_new(*earlier);
  const std::shared_lock lock(lock_);
  Index::Walk walk = index_.from(counted.prefix);
  for (size_t left = index_.count(counted.prefix); left > 0 && !changed; --left, walk.next()) {
    changed = is_new(*walk.peek());
  }
  if (!changed) return {};
  return conflict("more was made below \"" + counted.prefix + "\" than was counted");
}

std::optional<int64_t> Machine::floor_for(const Batch& batch) const {
  const Batch::Step& last = batch.steps.back();
  const bool relaxed = last.durability == Durability::relaxed;
  // A row that holds the last revision is floor enough.
  if (last.event.type == EventType::put && !relaxed) return std::nullopt;
  if (batch.revision <= floor_) return std::nullopt;
  return batch.revision + (relaxed ? kReservedRevisions : 0);
}

Result<void> Machine::save(Batch* batch) {
  ORCH_TRY(table_->health());
  std::vector<Table::Change> changes;
  for (const auto& [event, durability] : batch->steps) {
    if (durability == Durability::relaxed) continue;
    const bool put = event.type == EventType::put;
    changes.push_back({event.record->row, put ? event.record : nullptr});
  }
  const std::optional<int64_t> floor = floor_for(*batch);
  batch->in_table = !changes.empty() || floor;
  if (batch->in_table) {
    const Result<void> written = table_->write(changes, floor);
    note_health(written);
    ORCH_TRY(written);
  }
  floor_ = std::max(floor_, floor.value_or(changes.empty() ? 0 : batch->revision));
  return {};
}

bool Machine::save_with_unsaved(const Batch& batch, std::string_view note) {
  std::vector<Table::Change> changes;
  for (const auto& [row, record] : unsaved_) changes.push_back({row, record});
  for (const auto& [event, durability] : batch.steps) {
    const bool put = event.type == EventType::put;
    changes.push_back({event.record->row, put ? event.record : nullptr});
  }
  // A row that holds the last revision is floor enough.
  const bool in_row = batch.steps.back().event.type == EventType::put;
  const auto floor = in_row ? std::nullopt : std::optional(batch.revision);
  const Result<void> saved = table_->write(changes, floor, note);
  note_health(saved);
  if (saved.ok()) {
    unsaved_.clear();
    unsaved_note_.reset();
    flush_at_.reset();
    return true;
  }
  log::warning("store", "kept in the replicated log and in memory: " + saved.status().message);
  return false;
}

void Machine::save_or_keep(Batch* batch, std::string note) {
  const bool may_wait = std::ranges::all_of(
      batch->steps, [](const Batch::Step& step) { return step.durability == Durability::relaxed; });
  // After a failure flush() tries alone.
  if (!may_wait && health_ == Health::good && save_with_unsaved(*batch, note)) return;
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
  } else {
    // A replica's rows that a full disk has not taken wait here, too.
    std::chrono::milliseconds wait(relaxed_flush_ms_);
    if (health_ == Health::full) wait = std::min<std::chrono::milliseconds>(wait, kFullDiskRetry);
    const MonoTime due = clock_.monotonic() + wait;
    flush_at_ = std::min(flush_at_.value_or(due), due);
  }
}

void Machine::publish(std::span<const std::shared_ptr<Batch>> batches) {
  std::vector<Event> events;
  for (const auto& batch : batches) {
    for (const Batch::Step& step : batch->steps) events.push_back(step.event);
  }
  if (!events.empty()) publish(events, events.back().revision);
}

void Machine::bring_in(const std::vector<Event>& events, int64_t revision) {
  hub_.wait_for_room();
  for (const Event& event : events) {
    claims_.change(event.previous, event.type == EventType::put ? event.record : nullptr);
  }
  publish(events, revision);
}

void Machine::publish(const std::vector<Event>& events, int64_t revision) {
  if (follow_ && !events.empty()) follow_(events);
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
  Health before = health_;
  Health now = Health::good;
  if (!written) now = table_->health() ? Health::full : Health::failed;
  // settle() may find meanwhile that the disk failed; that stays.
  if (now == before || !health_.compare_exchange_strong(before, now)) return;
  if (now == Health::good) log::info("store", "there is space again: writes go on");
  if (now == Health::full) log::error("store", written.status().message);
}

bool Machine::misses_much() const { return unsaved_.size() > kMaxUnsavedRows; }

bool Machine::write_note(std::string note) {
  unsaved_note_ = std::move(note);
  flush();
  return !unsaved_note_;
}

std::function<Result<void>()> Machine::table_sync() const {
  return [table = table_] { return table->sync(); };
}

void Machine::flush() {
  flush_at_.reset();
  if (unsaved_.empty() && !unsaved_note_ && health_ != Health::full) return;
  std::vector<Table::Change> changes;
  changes.reserve(unsaved_.size());
  for (const auto& [row, record] : unsaved_) changes.push_back({row, record});
  std::ranges::sort(changes, {}, &Table::Change::row);  // Neighbouring pages together.
  // With nothing to save it is a look whether a full disk has room again.
  const bool with_floor = changes.empty() || unsaved_note_;
  const auto floor = with_floor ? std::optional(std::max(floor_, applied_revision_)) : std::nullopt;
  const Result<void> written = table_->write(changes, floor, unsaved_note_);
  note_health(written);
  if (written.ok()) {
    flushed_ = true;
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

}  // namespace orch::store
