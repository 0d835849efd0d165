// A look at libraft's files that libraft doesn't take itself. It goes on without what it finds
// damaged in three places, and a server that does so may have confirmed, or voted by, what is gone:
//
// - the end of what was being written (open-1, ...): a batch that fails its checksum there may be a
//   write that was interrupted, which nobody was told of. It is damage when entries from there on
//   were on disk, or in the table, for those were agreed on. (A follower's table may have them
//   first. Where the power was lost in the midst of the log's write, and the table, which is not
//   synced, kept them all the same, a start is refused though nothing is lost: what is noted as
//   `reached` is not synced either, so that this can't be told from an entry that was confirmed.)
// - the newest copy of the state: an older one is taken in its place.
// - the term and the vote (metadata1, metadata2): these have no checksum. Yet they are written in
//   turns, and one of them follows from the other.
//
// And it takes for damage what a loss of power, or a disk that failed once, left half done. So that
// is brought to an end before (finish_log), where nothing is lost by it:
//
// - A file of entries that got no numbers (it is still called open-1) though a copy of the state
//   was put in place: libraft takes its first entry for the one behind the copy. Its entries say
//   which they are.
// - Entries that another leader's were to replace. What stays of a file libraft writes beside it,
//   then it removes the file, then those behind: two files begin with the same entry, or there is a
//   gap, and nothing is known to be behind that.
// - Files that a copy of the state from another server took the place of: they end before it.
// - Half of a new term or vote in the place of the one before the last: `vote` (raft_disk.h) still
//   has the last.
//
// Called at a start, before libraft opens the folder. Format: that of libraft 0.22.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace orch::store {

// What is known of a log beside libraft's files.
struct KnownLog {
  uint64_t applied = 0;  // The last entry that the table has; the others may have had it first.
  uint64_t reached = 0;  // One that is known to have been on disk here. 0 when there is none.
  std::optional<std::pair<uint64_t, uint64_t>> vote;  // The last term and vote that count.
};
// Fails when the disk does; what it can't tell from damage it leaves to check_log().
Result<void> finish_log(const std::string& folder, const KnownLog& known);
// Damage (damage.h) by file.
Result<void> check_log(const std::string& folder, const KnownLog& known);
// Whether a finished file of the folder has the entry or one after it.
bool has_finished_entry(const std::string& folder, uint64_t index);
// When libraft can't read its files, whatever it says: the first that is damaged.
Result<void> check_segments(const std::string& folder);
// The entry of the newest copy of the state in the folder; 0 when there is none.
uint64_t newest_copy(const std::string& folder);

// PURE. Of one segment of the log.
struct SegmentFacts {
  uint64_t entries = 0;       // In whole batches,
  size_t bytes = 0;           // which end here.
  uint64_t first = 0;         // Of them, by what they say themselves; 0 when none does.
  bool ends_in_zeros = true;  // And not in something that is no whole batch.
};
SegmentFacts read_segment(std::string_view bytes);
// PURE. Whether both may be from one server, as they are ("" where there is none).
bool metadata_fit(std::string_view first, std::string_view second);

}  // namespace orch::store
