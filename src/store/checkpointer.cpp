#include "store/checkpointer.h"

#include <fcntl.h>

#include <cerrno>

namespace orch::store {

namespace {

// Has the disk write what the file has in memory, a little at a time. Whether it succeeded is for a
// sync to say.
void write_back(int file) {
  constexpr off_t kStep = 128 << 10;
  const off_t end = ::lseek(file, 0, SEEK_END);
  for (off_t at = 0; at < end; at += kStep) {
    ::sync_file_range(
        file, at, kStep,
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  }
}

}  // namespace

Result<std::unique_ptr<Checkpointer>> Checkpointer::start(const std::string& path,
                                                          const Options& options,
                                                          OnFailure on_failure) {
  Connection connection = ORCH_TRY(Connection::open(path, options.vfs));
  // FULL: the WAL is synced before the database is written, the database before the WAL is reused.
  ORCH_TRY(
      connection.run("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;"
                     "PRAGMA cache_size=-64; SELECT count(*) FROM sqlite_schema"));
  const int64_t page_bytes = ORCH_TRY(connection.number("PRAGMA page_size"));
  const auto pages = [&](size_t bytes) {
    return static_cast<int>(static_cast<int64_t>(bytes) / page_bytes);
  };
  const Limits limits{.wake = pages(options.checkpoint_bytes),
                      .squeeze = pages(options.max_wal_bytes)};
  UniqueFd database(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!database) return system_error("open " + path, errno);
  const std::string wal_path = path + "-wal";
  UniqueFd wal(::open(wal_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!wal) return system_error("open " + wal_path, errno);
  return std::make_unique<Checkpointer>(std::move(database), std::move(wal), std::move(connection),
                                        limits, std::move(on_failure));
}

Checkpointer::Checkpointer(UniqueFd database, UniqueFd wal, Connection connection, Limits limits,
                           OnFailure on_failure)
    : database_(std::move(database)),
      wal_(std::move(wal)),
      connection_(std::move(connection)),
      limits_(limits),
      on_failure_(std::move(on_failure)),
      thread_([this] { run(); }) {}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  work_.notify_one();
  idle_.notify_one();
  thread_.join();
}

void Checkpointer::enter_transaction() {
  std::unique_lock lock(mutex_);
  go_on_.wait(lock, [this] { return !squeezing_; });
  in_transaction_ = true;
}

void Checkpointer::leave_transaction(int wal_pages) {
  const std::lock_guard lock(mutex_);
  in_transaction_ = false;
  if (wal_pages < moved_pages_) moved_pages_ = 0;  // The WAL started again at its beginning.
  wal_pages_ = wal_pages;
  if (is_due()) work_.notify_one();
  if (squeezing_) idle_.notify_one();
}

bool Checkpointer::is_due() const { return wal_pages_ - moved_pages_ >= limits_.wake; }

Result<Checkpointer::Pass> Checkpointer::move(int mode) {
  Pass pass;
  const int code = sqlite3_wal_checkpoint_v2(connection_.raw(), nullptr, mode, &pass.wal_pages,
                                             &pass.moved_pages);
  if (code == SQLITE_OK || code == SQLITE_BUSY) return pass;
  // A full disk harms nothing: the WAL still has it all, and the next pass tries again.
  if (connection_.is_disk_full(code)) return Pass();
  return connection_.failure(code, "checkpoint");
}

Result<Checkpointer::Pass> Checkpointer::move_beside_writer() {
  write_back(wal_.get());
  return move(SQLITE_CHECKPOINT_PASSIVE);
}

Result<void> Checkpointer::sync_moved() {
  write_back(database_.get());
  return connection_.sync();
}

void Checkpointer::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    work_.wait(lock, [this] { return closed_ || is_due(); });
    if (closed_) return;
    lock.unlock();
    Result<Pass> pass = move_beside_writer();
    lock.lock();
    const auto is_long = [&] {
      return pass.ok() && wal_pages_ >= limits_.squeeze && wal_pages_ > pass->moved_pages;
    };
    if (is_long()) {
      lock.unlock();
      const Result<void> synced = sync_moved();
      pass = synced.ok() ? move_beside_writer() : synced.status();
      lock.lock();
    }
    if (is_long()) {
      squeezing_ = true;
      idle_.wait(lock, [this] { return closed_ || !in_transaction_; });
      lock.unlock();
      pass = move(SQLITE_CHECKPOINT_RESTART);
      lock.lock();
      squeezing_ = false;
      go_on_.notify_one();
    }
    if (!pass) {
      lock.unlock();
      on_failure_(std::move(pass).status());
      return;
    }
    if (wal_pages_ < pass->moved_pages) {
      moved_pages_ = 0;  // The writer has started the WAL again meanwhile.
    } else if (pass->moved_pages > moved_pages_) {
      moved_pages_ = pass->moved_pages;
    } else {
      moved_pages_ = wal_pages_;  // No progress (a full disk): rest until the WAL has grown more.
    }
  }
}

}  // namespace orch::store
