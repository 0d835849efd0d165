#include "server/snapshots/schedule.h"

#include <algorithm>

#include "base/log.h"

namespace orch::snapshots {

namespace {

constexpr std::chrono::minutes kSettle{1};
constexpr int kRetriesAnInterval = 12;

}  // namespace

std::chrono::milliseconds next_wait(std::chrono::milliseconds interval, WallTime now,
                                    const std::vector<Snapshot>& snapshots) {
  std::chrono::milliseconds wait = interval;
  for (const Snapshot& snapshot : snapshots) {
    if (snapshot.name != kScheduledName) continue;
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - snapshot.created);
    wait = interval - std::clamp(age, std::chrono::milliseconds(0), interval);
  }
  return std::max(wait, std::min<std::chrono::milliseconds>(interval, kSettle));
}

Schedule::Schedule(Place place, std::chrono::milliseconds interval, size_t keep,
                   OnFailure on_failure)
    : place_(std::move(place)),
      interval_(interval),
      keep_(keep),
      on_failure_(std::move(on_failure)),
      thread_([this] { run(); }) {}

Schedule::~Schedule() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_one();
  thread_.join();
}

void Schedule::run() {
  auto wait = interval_;
  if (const auto snapshots = list(place_)) {
    wait = next_wait(interval_, place_.clock->now(), *snapshots);
  }
  std::unique_lock lock(mutex_);
  while (!ended_.wait_for(lock, wait, [this] { return end_; })) {
    lock.unlock();
    const auto saved = save(place_, kScheduledName);
    wait = saved ? interval_ : interval_ / kRetriesAnInterval;
    if (saved) {
      log::info("snapshots", "saved " + saved->path);
    } else {
      log::error("snapshots", saved.status().message);
      on_failure_(saved.status());
    }
    // The last good ones stay when there is no new one.
    if (saved) {
      const auto pruned = prune(place_, kScheduledName, keep_);
      if (!pruned) log::error("snapshots", pruned.status().message);
    }
    lock.lock();
  }
}

}  // namespace orch::snapshots
