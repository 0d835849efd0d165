// schedule: a snapshot every so often, on a thread of its own that sleeps in between, and the
// oldest removed. The time since the last one counts over restarts of the server, for it stands in
// the name of the file. A snapshot that fails is told in the log and tried again, later.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "server/snapshots/snapshots.h"

namespace orch::snapshots {

// How long from now to the next snapshot. Pure. A clock that went back makes it no longer than the
// interval, and one that is due waits until what starts with the server has started.
std::chrono::milliseconds next_wait(std::chrono::milliseconds interval, WallTime now,
                                    const std::vector<Snapshot>& snapshots);

class Schedule {
 public:
  using OnFailure = std::function<void(const Status&)>;
  // The first `keep` of kScheduledName are kept. `on_failure` hears why one could not be saved, on
  // the schedule's thread. REQUIRES: interval > 0.
  Schedule(
      Place place, std::chrono::milliseconds interval, size_t keep,
      OnFailure on_failure = [](const Status&) {});
  ~Schedule();  // A snapshot that is being made is finished first.

 private:
  void run();

  const Place place_;
  const std::chrono::milliseconds interval_;
  const size_t keep_;
  const OnFailure on_failure_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::thread thread_;  // Last: it uses everything above.
};

}  // namespace orch::snapshots
