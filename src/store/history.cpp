#include "store/history.h"

#include <algorithm>

#include "base/check.h"
#include "store/index.h"

namespace orch::store {

namespace {

// Each Record that is not current any more is the `previous` of exactly one event, or the `record`
// of a deletion. So this sum is what would be freed without the history.
size_t held_by(const Event& event) {
  size_t bytes = sizeof(Event);
  if (event.previous) bytes += event.previous->footprint_bytes();
  if (event.type == EventType::remove) bytes += event.record->footprint_bytes();
  return bytes;
}

}  // namespace

void History::append(const Event& event) {
  ORCH_CHECK(event.revision == floor_ + 1 + static_cast<int64_t>(events_.size()));
  events_.push_back(event);
  held_bytes_ += held_by(event);
  while (!events_.empty() && (events_.size() > max_events_ || held_bytes_ > max_bytes_)) {
    floor_ = events_.front().revision;
    held_bytes_ -= held_by(events_.front());
    events_.pop_front();
  }
}

size_t History::first_after(int64_t revision) const {
  ORCH_CHECK(revision >= floor_);
  return std::min(static_cast<size_t>(revision - floor_), events_.size());
}

void History::restart(int64_t revision) {
  floor_ = revision;
  events_.clear();
  held_bytes_ = 0;
}

std::vector<Event> History::since(int64_t revision, std::string_view prefix) const {
  std::vector<Event> found;
  for (size_t i = first_after(revision); i < events_.size(); ++i) {
    if (matches_prefix(events_[i].record->key, prefix)) found.push_back(events_[i]);
  }
  return found;
}

std::map<std::string_view, RecordPtr> History::undo(const Query& query, int64_t revision) const {
  std::map<std::string_view, RecordPtr> then;
  for (size_t i = first_after(revision); i < events_.size(); ++i) {
    const std::string_view key = events_[i].record->key;
    if (!matches_prefix(key, query.prefix) || key <= query.start_after) continue;
    then.emplace(key, events_[i].previous);  // The first change tells what was there before.
  }
  return then;
}

}  // namespace orch::store
