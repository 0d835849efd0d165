// Machine: the state and how a batch of writes changes it. The log's thread applies; any thread
// reads. What it holds: the index (now), the history (lately), the table (on disk), the hub (who
// wants to know).
//
// A batch that was applied is in the table's WAL, and known to those that are applied after it; it
// is visible when it was settled, for readers must not see what a loss of power could take back.
// When its fsync fails, all that was applied is refused, as is every write after it.
//
// Relaxed writes change memory at once and are noted as unsaved rows, which flush() puts on disk in
// one transaction. Since their revisions have been handed out, a crash must not hand them out
// again: the table's revision floor is kept ahead of them, a block at a time.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "store/claims.h"
#include "store/history.h"
#include "store/index.h"
#include "store/log.h"
#include "store/rw_lock.h"
#include "store/table.h"
#include "store/watch_hub.h"

namespace orch::store {

class Machine final : public Applier {
 public:
  // `table` is null when an engine keeps the state.
  Machine(const Options& options, std::unique_ptr<Table> table, Table::Loaded loaded);

  // The log's thread.
  void apply(std::vector<Proposal> batch) override { apply(std::move(batch), std::nullopt); }
  // With a note the log itself is the truth (Table::Truth::log): the batch takes effect at once and
  // whatever becomes of the table, where the note is kept with the state that it speaks of. What
  // the table could not take waits for flush(), and so may what is relaxed. `term`: the batch's,
  // for those of its writes that are for one term only.
  void apply(std::vector<Proposal> batch, std::optional<std::string> note, uint64_t term = 0);
  MonoTime::duration settle() override;
  std::optional<MonoTime> flush_at() const override { return flush_at_; }
  void flush() override;
  // The table could not follow, so that flush() may take long.
  bool misses_much() const;
  // With a note: writes what is unsaved, and this note of the state as it is. False when the table
  // can't take it, which health() says.
  bool write_note(std::string note);
  // To be called on any thread, where it waits for the disk: what the table was given before is on
  // it then. It may outlive the machine.
  std::function<Result<void>()> table_sync() const;
  // For an engine (engine.h): what became of some keys elsewhere, at revisions given there, and
  // that nothing else did up to `revision`.
  void bring_in(const std::vector<Event>& events, int64_t revision);
  // From here on the log is the truth, and begins with this state: what is only in memory is put on
  // disk, so that a start from the table has the same objects at the same revision. All that was
  // applied is settled. When it fails, nothing has changed.
  Result<void> follow_log();
  // Takes another replica's state in place of this one's; see WhenReplaced. `records` sorted by
  // key.
  Result<void> restore(std::vector<RecordPtr> records, int64_t revision, std::string note);
  // After the log has ended: writes what is unsaved, gives back the reserved revisions, closes the
  // file. Reads go on. Idempotent.
  void close();

  // As in Store.
  Health health() const { return health_; }
  RecordPtr get(std::string_view key) const;
  Result<Range> range(const Query& query) const;
  size_t count(std::string_view prefix) const;
  int64_t revision() const;
  Result<std::unique_ptr<Watch>> watch(std::string_view prefix, int64_t from_revision, Sink sink,
                                       WhenReplaced when = WhenReplaced::end);

 private:
  struct Batch;
  RecordPtr current(const std::string& key, const Batch& batch) const;
  Result<Committed> stage(const Write& write, Batch* batch);
  Result<void> check_claims(const Write& write) const;
  Result<void> check_counted(const Write::Counted& counted, const Batch& batch) const;
  void give_back_claims(const Batch& batch);
  void follow_all();
  std::optional<int64_t> floor_for(const Batch& batch) const;
  Result<void> save(Batch* batch);
  void save_or_keep(Batch* batch, std::string note);
  bool save_with_unsaved(const Batch& batch, std::string_view note);
  void note_unsaved(const Batch& batch);
  void note_health(const Result<void>& written);
  void publish(std::span<const std::shared_ptr<Batch>> batches);
  void publish(const std::vector<Event>& events, int64_t revision);
  static void answer(Batch& batch);
  static void refuse(Batch& batch, const Status& why);
  Range range_now(const Query& query) const;
  static void take(const Query& query, const RecordPtr& record, Range* range);
  Range range_then(const Query& query) const;

  Clock& clock_;
  const int64_t relaxed_flush_ms_;
  const std::function<void(std::span<const Event>)> follow_;

  mutable RwLock lock_;  // Over these three.
  Index index_;
  History history_;
  int64_t revision_;

  WatchHub hub_;
  std::atomic<Health> health_{Health::good};
  std::shared_ptr<Table> table_;  // Null when closed, or when an engine keeps the state.

  std::mutex applied_mutex_;
  std::vector<std::shared_ptr<Batch>> applied_;  // For settle(), as is
  std::atomic<bool> flushed_{false};             // what flush() wrote.

  // The log's thread alone.
  std::deque<std::shared_ptr<Batch>> in_flight_;  // Applied; not all of them are visible yet.
  int64_t applied_revision_;
  Claims claims_;  // As what was applied leaves them.
  int64_t floor_;  // A start from the disk as it is now would continue above it.
  std::unordered_map<int64_t, RecordPtr> unsaved_;  // By row; null where the row is to be removed.
  std::optional<std::string> unsaved_note_;         // Of the state with what is unsaved.
  std::optional<MonoTime> flush_at_;
};

}  // namespace orch::store
