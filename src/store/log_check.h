// A look at libraft's files that libraft doesn't take itself. It goes on without what it finds
// damaged in three places, and a server that does so may have confirmed, or voted by, what is gone:
//
// - the end of what was being written (open-1, ...): a batch that fails its checksum there may be a
//   write that was interrupted, which nobody was told of. It is damage when entries from there on
//   were on disk, or in the table, for those were agreed on.
// - the newest copy of the state: an older one is taken in its place.
// - the term and the vote (metadata1, metadata2): these have no checksum. Yet they are written in
//   turns, and one of them follows from the other.
//
// Called at a start, before libraft opens the folder. Format: that of libraft 0.22.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::store {

// `applied`: the last entry that the table has, which the others may have had on disk before this
// server. `reached`: one that is known to have been on disk here. 0 when there is none. Damage
// (damage.h) by file.
Result<void> check_log(const std::string& folder, uint64_t applied, uint64_t reached);
// Whether a finished file of the folder has the entry or one after it.
bool has_finished_entry(const std::string& folder, uint64_t index);
// When libraft can't read its files, whatever it says: the first that is damaged.
Result<void> check_segments(const std::string& folder);
// The entry of the newest copy of the state in the folder; 0 when there is none.
uint64_t newest_copy(const std::string& folder);

// PURE. Of one segment of the log.
struct SegmentFacts {
  uint64_t entries = 0;       // In whole batches.
  bool ends_in_zeros = true;  // And not in something that is no whole batch.
};
SegmentFacts read_segment(std::string_view bytes);
// PURE. Whether both may be from one server, as they are ("" where there is none).
bool metadata_fit(std::string_view first, std::string_view second);

}  // namespace orch::store
