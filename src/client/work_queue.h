// WorkQueue: which keys of which loops are to be worked on, and when. The rules are those of
// client-go's workqueue: a key waits at most once however often it was added; a key that is added
// while it is being worked on runs again afterwards, never twice at once; failures back off per
// key.
//
// A plain value without locks, threads or a clock of its own: LoopRunner guards it with its mutex
// and passes the time in, so that tests decide what time it is.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "base/clock.h"
#include "client/api.h"

namespace orch::client {

// A key of one loop; `loop` is its index in the LoopRunner.
struct WorkItem {
  size_t loop = 0;
  ObjectKey key;

  auto operator<=>(const WorkItem&) const = default;
};

// The n-th failure in a row of one key waits 5 ms * 2^(n-1), at most 1000 s (controller-runtime's).
inline constexpr std::chrono::milliseconds kFirstBackoff{5};
inline constexpr std::chrono::milliseconds kMaxBackoff{1'000'000};
std::chrono::milliseconds backoff_after(int failures);

class WorkQueue {
 public:
  // To be worked on as soon as a worker is free.
  void add(const WorkItem& item);
  // The same, not before `due`. Of several dues for one item the earliest counts.
  void add_at(const WorkItem& item, MonoTime due);
  // Counts one more failure in a row and adds the item after its backoff.
  void add_failed(const WorkItem& item, MonoTime now);
  // Forgets the failures: the item's next one starts at kFirstBackoff again.
  void succeeded(const WorkItem& item);

  // The next item that is due, now being worked on until done(). Nothing when none is due.
  std::optional<WorkItem> take(MonoTime now);
  // The work ended; if the item was added meanwhile, it waits again.
  void done(const WorkItem& item);

  // When the first delayed item falls due.
  std::optional<MonoTime> next_due() const;
  bool has_ready() const { return !ready_.empty(); }
  size_t depth(size_t loop) const;  // Items of a loop that wait or are delayed.
  int failures(const WorkItem& item) const;

 private:
  std::deque<WorkItem> ready_;
  std::set<WorkItem> dirty_;       // Waiting in ready_, or added while in processing_.
  std::set<WorkItem> processing_;  // Taken and not done.
  std::map<WorkItem, MonoTime> delayed_;
  std::set<std::pair<MonoTime, WorkItem>> by_due_;  // delayed_, ordered by time.
  std::map<WorkItem, int> failures_;
};

}  // namespace orch::client
