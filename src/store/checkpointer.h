// Checkpointer: moves what the WAL holds into the database file, on a thread and a connection of
// its own, so that no commit waits for it (SQLite's automatic checkpoint is what stalls writers).
// The writer wakes it when the WAL has grown by Options::checkpoint_pages.
//
// A pass beside a busy writer never catches up, and a WAL starts again at its beginning only when
// all of it has been moved. So beyond kSqueezeFactor times that length the writer is held between
// two transactions for the short remainder: that bounds the WAL.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"
#include "store/sqlite.h"
#include "store/store.h"

namespace orch::store {

inline constexpr int kSqueezeFactor = 8;

class Checkpointer {
 public:
  // `on_failure` is called on the checkpointer's thread, once; after that it rests.
  using OnFailure = std::function<void(Status)>;
  static Result<std::unique_ptr<Checkpointer>> start(const std::string& path,
                                                     const Options& options, OnFailure on_failure);
  Checkpointer(Connection connection, int wake_pages, OnFailure on_failure);
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

  Connection connection_;
  const int wake_pages_;
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
