// Machine: its state as a whole: another one in its place, and what is put into the table before a
// log takes over or all ends.
#include <algorithm>
#include <mutex>
#include <shared_mutex>

#include "base/log.h"
#include "store/differences.h"
#include "store/machine.h"

namespace orch::store {

Result<void> Machine::restore(std::vector<RecordPtr> records, int64_t revision, std::string note) {
  std::vector<Table::Change> rows;
  rows.reserve(records.size());
  for (const RecordPtr& record : records) rows.push_back({record->row, record});
  std::ranges::sort(rows, {}, &Table::Change::row);
  if (table_) ORCH_TRY(table_->replace(rows, revision, note));
  unsaved_.clear();
  unsaved_note_.reset();
  flush_at_.reset();
  floor_ = applied_revision_ = revision;

  // Every watcher stands at the old state now, so that the differences lead from there.
  hub_.drain();
  const std::vector<Event> changes = differences(index_, records, revision);
  if (follow_ && !changes.empty()) follow_(changes);
  claims_.clear();
  for (const RecordPtr& record : records) claims_.change(nullptr, record);

  const std::unique_lock lock(lock_);
  index_.load(std::move(records));
  history_.restart(revision);
  revision_ = revision;
  hub_.replace(changes, revision);
  return {};
}

Result<void> Machine::follow_log() {
  flush();
  if (!unsaved_.empty()) return service_unavailable("relaxed writes can't be put on disk now");
  ORCH_TRY(table_->write({}, applied_revision_));
  floor_ = applied_revision_;
  ORCH_TRY(table_->follow_log());
  return table_->sync();
}

void Machine::close() {
  if (!table_) return;
  flush();
  if (unsaved_.empty() && floor_ > applied_revision_) {
    if (const Result<void> written = table_->write({}, applied_revision_); !written.ok()) {
      log::warning("store", "close: " + written.status().message);
    }
  }
  table_.reset();
}

}  // namespace orch::store
