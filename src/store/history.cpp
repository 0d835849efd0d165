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
  ORCH_CHECK(event.revision > floor_);
  ORCH_CHECK(events_.empty() || event.revision >= events_.back().revision);
  events_.push_back(event);
  held_bytes_ += held_by(event);
  const auto is_over = [this] {
    return events_.size() > max_events_ || held_bytes_ > max_bytes_ ||
           events_.front().revision == floor_;  // Of a revision that is half forgotten.
  };
  while (!events_.empty() && is_over()) {
    floor_ = events_.front().revision;
    held_bytes_ -= held_by(events_.front());
    events_.pop_front();
  }
}

std::deque<Event>::const_iterator History::first_after(int64_t revision) const {
  ORCH_CHECK(revision >= floor_);
  return std::ranges::upper_bound(events_, revision, {}, &Event::revision);
}

void History::restart(int64_t revision) {
  floor_ = revision;
  events_.clear();
  held_bytes_ = 0;
}

std::vector<Event> History::since(int64_t revision, std::string_view prefix) const {
  std::vector<Event> found;
  for (auto event = first_after(revision); event != events_.end(); ++event) {
    if (matches_prefix(event->record->key, prefix)) found.push_back(*event);
  }
  return found;
}

std::map<std::string_view, RecordPtr> History::undo(const Query& query, int64_t revision) const {
  std::map<std::string_view, RecordPtr> then;
  for (auto event = first_after(revision); event != events_.end(); ++event) {
    const std::string_view key = event->record->key;
    if (!matches_prefix(key, query.prefix) || key <= query.start_after) continue;
    then.emplace(key, event->previous);  // The first change tells what was there before.
  }
  return then;
}

}  // namespace orch::store
