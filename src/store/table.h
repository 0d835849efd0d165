// Table: the current state on disk. One SQLite table, one row per object, updated in place by an
// integer id that the object got when it was created; the index by key lives in memory, so there is
// no second index on disk, no old revision, nothing to compact. Every row carries a checksum, and
// their number is known (table_meta.h).
//
// One thread at a time: open() and load() at the start, then the log's thread, then whoever closes;
// sync() may run beside them.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "store/checkpointer.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "store/table_meta.h"

namespace orch::store {

// Of a new database; one that was made before keeps its own. A write to an object puts its whole
// page into the WAL, and most objects have 1 to 4 KiB: smaller pages take less of others along,
// larger ones cost less of the processor.
inline constexpr const char* kSetPageSize = "PRAGMA page_size=2048";

std::string database_path(const std::string& directory);
// A failure to read a single server's database, with what can be done about it.
Status unreadable(Status failure);
// Keeps others out of the directory while it is held; 503 when another process has it.
Result<UniqueFd> lock_directory(const std::string& directory);

class Table {
 public:
  // One row to write (`record`) or, where that is null, to remove.
  struct Change {
    int64_t row = 0;
    RecordPtr record;
  };
  struct Loaded {
    std::vector<RecordPtr> records;  // Sorted by key.
    std::vector<RecordPtr> stale;    // Those of them that reseal() is for.
    int64_t revision = 1;            // No revision above it was ever handed out.
    std::string note;                // The last one that was written.
  };

  // What a start after a loss of power may rely on: this table, so that what was acknowledged was
  // synced; or a replicated log above it, so that the table need only be whole.
  enum class Truth { table, log };

  // Makes the directory and the file where they are missing. Holds a lock on the directory.
  static Result<std::unique_ptr<Table>> open(const Options& options, Truth truth = Truth::table);

  Result<Loaded> load(const Store::Tagger& tagger);

  // One transaction, undone when it fails. It is whole, and on disk once sync() or close() has
  // succeeded. `revision_floor`, when given, is what load() will at least return as revision;
  // without it that is the greatest revision in a row. `note`, when given, is what load() will
  // return: bytes that the log wants to find beside the state that they speak of; it has a checksum
  // over both. A full disk is
  // told as such and may be tried again; every other failure is final: see health().
  Result<void> write(std::span<const Change> changes, std::optional<int64_t> revision_floor,
                     std::optional<std::string_view> note = {});
  // Puts on disk (fsync) what was written before this call. A failure is final.
  Result<void> sync();
  // As write(), for a whole state: all rows that there were are removed.
  Result<void> replace(std::span<const Change> rows, int64_t revision_floor, std::string_view note);

  // A table that was its own truth takes notes from here on: Truth::log. A full disk may be tried
  // again.
  Result<void> follow_log();

  // Writes these rows as the cipher would write them now, and leaves nothing of what they were
  // before in the file or its WAL. Before the first write().
  Result<void> reseal(std::span<const RecordPtr> records);

  // The failure after which nothing can be written any more: an fsync that failed leaves unknown
  // what is on disk, and the next one may claim success without it. Any thread.
  Result<void> health() const;

 private:
  Table(const Options& options, UniqueFd lock, Connection connection);
  Result<void> prepare(Truth truth);
  Result<void> prepare_notes();
  Result<std::string> load_note();
  // What one transaction does.
  struct Work {
    std::span<const Change> changes;
    std::optional<int64_t> revision_floor;
    std::optional<std::string_view> note;
    bool erase_all = false;
  };
  Result<void> run(const Work& work);
  int write_all(const Work& work);
  int write_row(const Change& change, int64_t* rows);  // Which it counts.
  int write_note(std::string_view note, int64_t floor);
  Status undo(int code);  // Of a transaction that failed so; says why.
  void latch(Status failure);

  const std::string directory_, path_, vfs_;
  const Cipher* const cipher_;
  std::function<void(const Status&)> on_damage_;
  UniqueFd lock_;  // Before the connection: let go of last.
  Connection connection_;
  std::optional<Statement> begin_, commit_, rollback_, change_, add_, erase_, erase_all_, set_meta_,
      set_note_;
  int wal_pages_ = 0;
  std::string note_;  // These two as they are on disk.
  TableMeta meta_;
  std::optional<SyncedFile> wal_;

  mutable std::mutex health_mutex_;
  std::optional<Status> failure_;
  std::unique_ptr<Checkpointer> checkpointer_;  // Last: its thread may call latch().
};

}  // namespace orch::store
