// What can be seen of the replicated log's files before libraft reads them, without changing any.
//
// Of a file that it was writing libraft takes the entries up to the first
// that it can't read and forgets the rest, whether that was being written when power was lost or
// was damaged afterwards. Which of both it was is known by the last entry that reached the disk.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace orch::store {

// `reached`: an entry that is known to have been on disk; 0 when nothing is known. Names the file
// that is damaged (damage.h).
Result<void> check_log_files(const std::string& folder, uint64_t reached);

// Whether a finished file of the folder has the entry or one after it.
bool has_finished_entry(const std::string& folder, uint64_t index);

}  // namespace orch::store
