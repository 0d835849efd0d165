// log: audit events on their way to a file, a line of JSON each. Whoever has one queues it and goes
// on; one thread writes. The queue is bounded by number and by bytes: what doesn't fit is counted
// and told in the server's own log, for no request may wait for a disk.
//
// The file is rotated by size: the old one is renamed to NAME-<time>.EXT beside it, and old ones go
// by number and by age. Flags and names are kube-apiserver's (--audit-log-*).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "base/bounded_queue.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace orch::audit {

inline constexpr size_t kMaxQueuedEvents = 10'000;
inline constexpr size_t kMaxQueuedBytes = 16u << 20;

struct LogOptions {
  std::string path;  // "-" is standard output, which is never rotated.
  int max_size_mb = 100;
  int max_backups = 0;   // 0: any number,
  int max_age_days = 0;  // and any age.
  Clock* clock = &system_clock();
};

class Log {
 public:
  // Opens or makes the file (0600), or fails.
  static Result<std::unique_ptr<Log>> open(LogOptions options);
  ~Log() { close(); }

  // One event without its end of line. Any thread, never waits.
  void write(std::string line);
  // Writes what waits, ends the thread. Idempotent.
  void close();

  uint64_t written() const { return written_; }  // Taken into the queue.
  uint64_t dropped() const { return dropped_; }

 private:
  Log(LogOptions options, UniqueFd file, size_t size);
  void run();
  Result<void> append(std::string_view lines);
  Result<void> rotate();
  void remove_old() const;

  const LogOptions options_;
  BoundedQueue<std::string> queue_{kMaxQueuedEvents};
  std::atomic<size_t> queued_bytes_{0};
  std::atomic<uint64_t> written_{0}, dropped_{0};
  // The thread's alone.
  UniqueFd file_;
  size_t size_;
  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace orch::audit
