// A copy of the database while it is in use, by SQLite's VACUUM INTO: it reads one state of the WAL
// on a connection of its own, and the copy has no free pages. Any thread.
#pragma once

#include <string>

#include "base/result.h"

namespace orch::store {

// `path` appears whole and synced, or not at all. AlreadyExists when it is there.
Result<void> write_snapshot(const std::string& database, const std::string& vfs,
                            const std::string& path);

}  // namespace orch::store
