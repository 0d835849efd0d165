// History: the recent past, a ring of the last events. It tells late watchers what they missed,
// and undoes changes for who reads an older state (the next page of a list). It is bounded by
// events and by the memory that it alone keeps alive: Records that are no longer current.
//
// Not synchronised: machine.h holds a lock over it.
#pragma once

#include <deque>
#include <map>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace orch::store {

class History {
 public:
  History(size_t max_events, size_t max_bytes, int64_t revision)
      : max_events_(max_events), max_bytes_(max_bytes), floor_(revision) {}

  // No revision goes back. There may be gaps, and several events of one revision: an engine's
  // (engine.h) are not only ours.
  void append(const Event& event);
  void restart(int64_t revision);  // Forgets everything before it.

  // The state at this revision and at every later one is known; what came before is forgotten.
  int64_t floor() const { return floor_; }

  // The events below `prefix` with a revision greater than `revision` (>= floor()).
  std::vector<Event> since(int64_t revision, std::string_view prefix) const;

  // What was different at `revision` (>= floor()): each key of `query` that has changed since, with
  // the Record that it had then, null for none. Valid until the next append.
  std::map<std::string_view, RecordPtr> undo(const Query& query, int64_t revision) const;

  size_t held_bytes() const { return held_bytes_; }

 private:
  std::deque<Event>::const_iterator first_after(int64_t revision) const;

  const size_t max_events_, max_bytes_;
  int64_t floor_;
  std::deque<Event> events_;  // In the order of revisions, all beyond floor_.
  size_t held_bytes_ = 0;
};

}  // namespace orch::store
