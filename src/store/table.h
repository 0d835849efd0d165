// Table: the current state on disk. One SQLite table, one row per object, updated in place by an
// integer id that the object got when it was created; the index by key lives in memory, so there is
// no second index on disk, no old revision, nothing to compact. Every row carries a checksum.
//
// One thread at a time: open() and load() at the start, then the log's thread, then whoever closes.
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

namespace orch::store {

std::string database_path(const std::string& directory);
// A failure to read the database, with what can be done about it.
Status unreadable(Status failure);
// Makes the tables of an empty database.
Result<void> make_tables(Connection& connection);
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
    int64_t last_row = 0;
  };

  // Makes the directory and the file where they are missing. Holds a lock on the directory.
  static Result<std::unique_ptr<Table>> open(const Options& options);

  Result<Loaded> load(const Store::Tagger& tagger);

  // One transaction, on disk (fsync) when it succeeds, undone when it fails. `revision_floor`, when
  // given, is what load() will at least return as revision; without it that is the greatest
  // revision in a row. A full disk is told as such and may be tried again; every other failure is
  // final: see health().
  Result<void> write(std::span<const Change> changes, std::optional<int64_t> revision_floor);

  // Writes these rows as the cipher would write them now, and leaves nothing of what they were
  // before in the file or its WAL. Before the first write().
  Result<void> reseal(std::span<const RecordPtr> records);

  // The failure after which nothing can be written any more: an fsync that failed leaves unknown
  // what is on disk, and the next one may claim success without it. Any thread.
  Result<void> health() const;

 private:
  Table(const Options& options, UniqueFd lock, Connection connection);
  Result<void> prepare();
  Result<RecordPtr> load_row(Statement& row, const Store::Tagger& tagger, bool* stale);
  int write_all(std::span<const Change> changes, std::optional<int64_t> revision_floor);
  int write_row(const Record& record);
  Status undo(int code);  // Of a transaction that failed so; says why.
  void latch(Status failure);

  const std::string directory_, path_;
  const Cipher* const cipher_;
  UniqueFd lock_;  // Before the connection: let go of last.
  Connection connection_;
  std::optional<Statement> begin_, commit_, rollback_, put_, erase_, set_floor_;
  int wal_pages_ = 0;

  mutable std::mutex health_mutex_;
  std::optional<Status> failure_;
  std::unique_ptr<Checkpointer> checkpointer_;  // Last: its thread may call latch().
};

}  // namespace orch::store
