// DiskPace: how long the log's disk takes for a write, and what follows for elections: on a slow
// disk a server that answers late is not dead. Measured at the start, followed while it runs.
// The log's thread.
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/result.h"

namespace orch::store {

class DiskPace {
 public:
  // An election's time: what it is on a good disk, how many writes it must have room for, and what
  // it is at most.
  static constexpr unsigned kElectionMs = 300, kWrites = 10, kMaxElectionMs = 5000;

  // Writes and syncs a small file in `directory`, and removes it.
  static Result<DiskPace> measure(const std::string& directory, Clock& clock);

  // The slowest of late counts. A write makes it forgotten by one part in kForgetWrites, and by
  // what passed since the last one of kForgetIn: what was slow while the machine started is no
  // reason to wait for a dead leader an hour later, however little was written.
  void note(std::chrono::nanoseconds write, MonoTime ended) {
    const std::chrono::duration<double> passed = ended - std::exchange(noted_, ended);
    const double forgotten = std::clamp(passed / kForgetIn, 1.0 / kForgetWrites, 1.0);
    const auto kept = std::chrono::duration<double>(slow_ - write) * (1 - forgotten);
    slow_ = write + std::max({}, std::chrono::duration_cast<std::chrono::nanoseconds>(kept));
  }
  // A write of the log. One that waited for space says nothing, and who came meanwhile waited for
  // it.
  void wrote(MonoTime began, MonoTime ended) {
    if (began < got_room_) {
      behind_ = ended;
    } else {
      note(ended - std::max(began, behind_), ended);
    }
  }
  // There is space, as there was not before.
  void got_room(MonoTime now) { got_room_ = now; }
  unsigned election_ms() const {
    const auto wanted = std::chrono::ceil<std::chrono::milliseconds>(slow_ * kWrites).count();
    // In steps, so that a timer isn't set anew for a trifle.
    return static_cast<unsigned>(
        std::clamp<int64_t>(wanted / kStepMs * kStepMs, kElectionMs, kMaxElectionMs));
  }

 private:
  static constexpr int kForgetWrites = 512;
  static constexpr std::chrono::seconds kForgetIn{30};
  static constexpr int64_t kStepMs = 50;
  std::chrono::nanoseconds slow_{0};
  MonoTime noted_{}, got_room_{}, behind_{};
};

}  // namespace orch::store
