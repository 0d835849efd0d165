// What a database says of itself: which revisions were handed out, and how many rows it has. A row
// has a checksum of its own; that there is one less is seen by their number alone: SQLite would
// pass over rows that a flipped bit in a page's head hides, as over a page that nothing leads to.
#pragma once

#include <cstdint>
#include <string>

#include "store/sqlite.h"

namespace orch::store {

struct TableMeta {
  int64_t revision = 1;  // Not to be handed out again, nor any below.
  int64_t rows = 0;
};

// Makes the tables of an empty database; in one of an older format, what that lacks. An error when
// a newer orch wrote it.
Result<void> make_tables(Connection& connection, const std::string& path);

// Of a database of any format that is known: what an older one doesn't say of rows is counted.
Result<TableMeta> read_meta(Connection& connection, const std::string& path);
Result<void> check_rows(const TableMeta& meta, int64_t rows, const std::string& path);

// To be kept for writing it, and one writing of it: SQLITE_DONE or an error.
Result<Statement> prepare_meta(Connection& connection);
int write_meta(Statement& prepared, const TableMeta& meta);

}  // namespace orch::store
