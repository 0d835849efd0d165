#include "store/table_meta.h"

#include "store/checksum.h"
#include "store/damage.h"

namespace orch::store {

namespace {

// PRAGMA user_version. In 1 meta had neither the rows' number nor a checksum.
constexpr int64_t kTableFormat = 2;

// meta has one row.
constexpr const char* kSchema =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE o(id INTEGER PRIMARY KEY, revision INTEGER NOT NULL,"
    " create_revision INTEGER NOT NULL, revision_at INTEGER NOT NULL, checksum INTEGER NOT NULL,"
    " key TEXT NOT NULL, bytes BLOB NOT NULL);"
    "CREATE TABLE meta(id INTEGER PRIMARY KEY CHECK(id = 1), revision INTEGER NOT NULL);"
    "INSERT INTO meta VALUES(1, 1);"
    "PRAGMA user_version=1;"
    "COMMIT;";
constexpr const char* kAddRows =
    "BEGIN IMMEDIATE;"
    "ALTER TABLE meta ADD COLUMN rows INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE meta ADD COLUMN checksum INTEGER NOT NULL DEFAULT 0;"
    "PRAGMA user_version=2;";

int64_t sum_of(const TableMeta& meta) {
  Checksum sum;
  sum.add(static_cast<uint64_t>(meta.revision));
  sum.add(static_cast<uint64_t>(meta.rows));
  return sum.value();
}

Result<int64_t> format_of(Connection& connection, const std::string& path) {
  const int64_t format = ORCH_TRY(connection.number("PRAGMA user_version"));
  if (format <= kTableFormat) return format;
  return internal_error(path + " has format " + std::to_string(format) + ", this program knows " +
                        std::to_string(kTableFormat) + ": a newer orch wrote it");
}

Result<void> add_rows(Connection& connection, const std::string& path) {
  const TableMeta meta = ORCH_TRY(read_meta(connection, path));
  ORCH_TRY(connection.run(kAddRows));
  {
    Statement write = ORCH_TRY(prepare_meta(connection));
    if (const int code = write_meta(write, meta); code != SQLITE_DONE) {
      return connection.failure(code, "count rows");
    }
  }
  return connection.run("COMMIT");
}

}  // namespace

Result<void> make_tables(Connection& connection, const std::string& path) {
  const int64_t format = ORCH_TRY(format_of(connection, path));
  if (format == 0) {
    if (ORCH_TRY(connection.number("SELECT count(*) FROM sqlite_schema")) != 0) {
      return damaged(path + " is damaged: it has tables, and says of no format");
    }
    ORCH_TRY(connection.run(kSchema));
  }
  if (format < kTableFormat) ORCH_TRY(add_rows(connection, path));
  return {};
}

Result<TableMeta> read_meta(Connection& connection, const std::string& path) {
  TableMeta meta;
  if (ORCH_TRY(format_of(connection, path)) < kTableFormat) {
    meta.revision = ORCH_TRY(connection.number("SELECT revision FROM meta"));
    meta.rows = ORCH_TRY(connection.number("SELECT count(*) FROM o"));
    return meta;
  }
  Statement read = ORCH_TRY(connection.prepare("SELECT revision, rows, checksum FROM meta"));
  const int code = read.step();
  if (code != SQLITE_ROW) return connection.failure(code, "read the revision");
  meta = {.revision = read.integer(0), .rows = read.integer(1)};
  if (read.integer(2) == sum_of(meta)) return meta;
  return damaged(path + " is damaged: its revision and number of rows fail their checksum");
}

Result<void> check_rows(const TableMeta& meta, int64_t rows, const std::string& path) {
  if (rows == meta.rows) return {};
  return damaged(path + " is damaged: it has " + std::to_string(rows) + " rows, and had " +
                 std::to_string(meta.rows));
}

Result<Statement> prepare_meta(Connection& connection) {
  return connection.prepare("UPDATE meta SET revision=?, rows=?, checksum=? WHERE id=1");
}

int write_meta(Statement& prepared, const TableMeta& meta) {
  prepared.bind(1, meta.revision);
  prepared.bind(2, meta.rows);
  prepared.bind(3, sum_of(meta));
  return prepared.run();
}

}  // namespace orch::store
