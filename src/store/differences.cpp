#include "store/differences.h"

#include <algorithm>

namespace orch::store {

std::vector<Event> differences(const Index& before, std::span<const RecordPtr> after,
                               int64_t revision) {
  std::vector<Event> events;
  Index::Walk walk = before.from("");
  const auto remove = [&](const RecordPtr& gone) {
    events.push_back({EventType::remove, revision, gone->at_deletion(revision), gone});
  };
  for (const RecordPtr& record : after) {
    const RecordPtr* old = walk.peek();
    for (; old != nullptr && (*old)->key < record->key; walk.next(), old = walk.peek()) {
      remove(*old);
    }
    const bool stood = old != nullptr && (*old)->key == record->key;
    const RecordPtr previous = stood ? *old : nullptr;
    if (stood) walk.next();
    if (stood && previous->revision == record->revision) continue;
    events.push_back({EventType::put, record->revision, record, previous});
  }
  for (; walk.peek() != nullptr; walk.next()) remove(*walk.peek());
  std::ranges::stable_sort(events, {}, &Event::revision);
  return events;
}

}  // namespace orch::store
