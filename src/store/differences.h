// What lies between two states, as events: what somebody who knew the one has to hear to know the
// other. PURE.
#pragma once

#include <span>
#include <vector>

#include "store/index.h"
#include "store/store.h"

namespace orch::store {

// `after` sorted by key, at `revision`. In the order of revisions; when a record went isn't known,
// so each is told as removed at `revision`.
std::vector<Event> differences(const Index& before, std::span<const RecordPtr> after,
                               int64_t revision);

}  // namespace orch::store
