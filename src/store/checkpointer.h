// Checkpointer: moves what the WAL holds into the database file, on a thread and a connection of
// its own, so that no commit waits for it (SQLite's automatic checkpoint is what stalls writers).
// The writer wakes it when the WAL has grown by Options::checkpoint_bytes.
//
// A pass beside a busy writer never catches up, and a WAL starts again at its beginning only when
// all of it has been moved. So beyond Options::max_wal_bytes the writer is held between two
// transactions for the remainder: that bounds the WAL.
//
// A flush of megabytes at once would hold up the syncs of whoever else uses the disk, the log's
// before all, for as long as it takes: so what is to be synced is written back before that, little
// by little.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/fd.h"
#include "base/result.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace orch::store {

class Checkpointer {
 public:
  // `on_failure` is called on the checkpointer's thread, once; after that it rests.
  using OnFailure = std::function<void(Status)>;
  static Result<std::unique_ptr<Checkpointer>> start(const std::string& path,
                                                     const Options& options, OnFailure on_failure);
  struct Limits {  // In pages of the database.
    int wake = 0, squeeze = 0;
  };
  Checkpointer(UniqueFd database, UniqueFd wal, Connection connection, Limits limits,
               OnFailure on_failure);
  ~Checkpointer();

  // The writer puts these around each transaction; `wal_pages` is the WAL's length after it.
  void enter_transaction();
  void leave_transaction(int wal_pages);

 private:
  void run();
  bool is_due() const;
  // One pass. The WAL's length and how much of it has been moved.
  struct Pass {
    int wal_pages = 0, moved_pages = 0;
  };
  Result<Pass> move(int mode);
  Result<Pass> move_beside_writer();
  Result<void> sync_moved();

  // To have them written back. When they are closed, POSIX lets go of SQLite's locks, too; nobody
  // else is let into the directory.
  UniqueFd database_, wal_;
  Connection connection_;
  const Limits limits_;
  const OnFailure on_failure_;
  std::mutex mutex_;
  std::condition_variable work_, idle_, go_on_;
  bool in_transaction_ = false;
  bool squeezing_ = false;  // The writer waits.
  bool closed_ = false;
  int wal_pages_ = 0, moved_pages_ = 0;
  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace orch::store
