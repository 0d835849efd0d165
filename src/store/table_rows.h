// Reading all rows of the table, which is most of what a start does: to fetch a row, to check it
// and to read its tags takes some microseconds, and there may be 100,000. So readers share it, one
// for each processor, each with a connection of its own. The table is one range of ids at first,
// the caller's; a reader that has nothing to do is given half of what is left of another's. So it
// doesn't matter how ids are spread, and each reads the file in its order. A table of few rows is
// read by the caller alone. Either all rows are returned, or what is damaged is told (damage.h).
//
// Nobody may write meanwhile.
#pragma once

#include <string>
#include <vector>

#include "store/sqlite.h"
#include "store/store.h"
#include "store/table_meta.h"

namespace orch::store {

struct Rows {
  std::vector<RecordPtr> records;  // Sorted by key.
  std::vector<RecordPtr> stale;    // Those of them that the cipher would seal otherwise now.
  int64_t revision = 0;            // The greatest of them.
};

struct RowsSource {
  std::string path, vfs;  // Of the database.
  const Cipher* cipher;   // As in Options.
  const Store::Tagger& tagger;
  TableMeta meta;    // As the database has it.
  unsigned readers;  // At most so many threads, the caller's included.
};

// `connection` is to the same database and is the caller's to read with.
Result<Rows> read_rows(Connection& connection, const RowsSource& source);

}  // namespace orch::store
