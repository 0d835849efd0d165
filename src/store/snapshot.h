// Copies of the database while it is in use, and what is done to a database that nobody uses: it
// is looked through, its revision is raised. Any thread; the server may be another process.
//
// A copy is made row by row from one state of the WAL, on a connection of its own. Every row's
// checksum is looked at, so a copy is sound or is not made; it has no free pages. What was copied
// goes to disk step by step: an fsync of the whole at the end would hold up the writer's fsync for
// as long as the disk needs for all of it.
#pragma once

#include <string>

#include "base/result.h"

namespace orch::store {

struct DatabaseFacts {
  int64_t revision = 0;  // That a store opened on it has.
  int64_t objects = 0;
};

// `path` appears whole and synced, or not at all. AlreadyExists when it is there, NotFound when
// there is no database. A damaged row is named.
Result<DatabaseFacts> write_snapshot(const std::string& database, const std::string& vfs,
                                     const std::string& path);

// Reads all of a database. The error names the first row that is damaged.
Result<DatabaseFacts> check_database(const std::string& path);
// Without a look at the rows' contents.
Result<int64_t> latest_revision(const std::string& path);
// No store opened on it from now on has a lower revision. REQUIRES: nobody has it open.
Result<void> raise_revision(const std::string& path, int64_t revision);

}  // namespace orch::store
