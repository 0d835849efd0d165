// The folder of a replicated log beside the table: libraft's files, and the count of our starts.
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/result.h"

namespace orch::store {

std::string log_directory(const std::string& directory);
// Whether a replicated log was begun in the directory.
bool has_raft_log(const std::string& directory);
// A log whose beginning was interrupted can't go on and has nothing yet: removes what there is of
// it.
Result<void> forget_half_a_beginning(const std::string& directory);
// Higher than at any start before, also when the clock went back or the file is gone.
Result<uint64_t> next_boot(const std::string& directory, Clock& clock);

}  // namespace orch::store
