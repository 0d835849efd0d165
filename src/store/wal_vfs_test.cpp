#include "store/wal_vfs.h"

#include <cstddef>
#include <filesystem>
#include <iterator>

#include "store/faulty_disk.h"
#include "store/sqlite.h"

using namespace orch;
using namespace orch::store;

namespace {

// A database whose writer has few pages in memory: a large transaction is written before its end.
struct Database {
  Database() {
    must_run(writer,
             "PRAGMA page_size=2048; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
             "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=20;"
             "CREATE TABLE t(id INTEGER PRIMARY KEY, bytes BLOB)");
  }
  Connection open(const std::string& vfs) const {
    auto connection = Connection::open(folder.path() + "/db", vfs);
    REQUIRE(connection.ok());
    return *std::move(connection);
  }
  static void must_run(Connection& connection, const std::string& sql) {
    const auto done = connection.run(sql.c_str());
    if (!done.ok()) FAIL(done.status().message);
  }
  // So many rows of a page each.
  static std::string insert(int64_t first, int64_t count) {
    return "WITH RECURSIVE n(i) AS (SELECT " + std::to_string(first) +
           " UNION ALL SELECT i + 1 FROM n WHERE i + 1 < " + std::to_string(first + count) +
           ") INSERT INTO t SELECT i, randomblob(1500) FROM n;";
  }
  // As others see it, whole.
  int64_t count() const {
    Connection reader = open("");
    REQUIRE(
        reader.number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check != 'ok'")
            .value_or(1) == 0);
    return reader.number("SELECT count(*) FROM t").value_or(-1);
  }

  TestFolder folder;
  Connection writer = open(wal_vfs(register_vfs()));
};

}  // namespace

TEST_CASE("a transaction's frames are written at once, and others see them when it has ended") {
  Database database;
  for (int64_t i = 0; i < 5; ++i) {
    disk().arm(0, Failure::once, 0);
    Database::must_run(database.writer, "BEGIN;" + Database::insert(10 * i, 10) + "COMMIT");
    CHECK(disk().operations() <= 2);  // SQLite alone writes at least twenty times.
    CHECK(database.count() == 10 * (i + 1));
  }
}

TEST_CASE("a transaction that is larger than the cache is whole, or is undone") {
  Database database;
  disk().arm(0, Failure::once, 0);
  Database::must_run(database.writer, "BEGIN;" + Database::insert(0, 2000));
  CHECK(database.count() == 0);
  // What was written before the end is read, changed and written again.
  Database::must_run(database.writer, "UPDATE t SET bytes = randomblob(1500) WHERE id % 3 = 0");
  CHECK(database.writer.number("SELECT count(*) FROM t WHERE length(bytes) = 1500").value() ==
        2000);
  SECTION("ended") {
    Database::must_run(database.writer, "COMMIT");
    CHECK(database.count() == 2000);
  }
  SECTION("undone, and another one in its place") {
    Database::must_run(database.writer, "ROLLBACK");
    CHECK(database.count() == 0);
    Database::must_run(database.writer, Database::insert(0, 7));
    CHECK(database.count() == 7);
  }
  SECTION("one of its parts is undone") {
    Database::must_run(database.writer, "SAVEPOINT s;" + Database::insert(2000, 1000) +
                                            "ROLLBACK TO s;" + Database::insert(5000, 10) +
                                            "COMMIT");
    CHECK(database.count() == 2010);
  }
}

TEST_CASE("whichever write of the log fails, the transaction is undone and the next one is whole") {
  for (int at = 1;; ++at) {
    Database database;
    Database::must_run(database.writer, Database::insert(0, 10));
    disk().arm(at, Failure::once, SQLITE_IOERR_WRITE);
    const bool done =
        database.writer.run(("BEGIN;" + Database::insert(10, 300) + "COMMIT").c_str()).ok();
    const bool failed = disk().operations() >= at;
    disk().arm(0, Failure::once, 0);
    CHECK(done != failed);
    if (sqlite3_get_autocommit(database.writer.raw()) == 0) {
      Database::must_run(database.writer, "ROLLBACK");
    }
    CHECK(database.count() == (done ? 310 : 10));
    Database::must_run(database.writer, Database::insert(1000, 10));
    CHECK(database.count() == (done ? 320 : 20));
    if (!failed) break;
  }
}

TEST_CASE("a log that can't be written any more is closed all the same") {
  const auto open_files = [] {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  Database database;
  const auto before = open_files();
  sqlite3_vfs* const vfs = sqlite3_vfs_find(wal_vfs(register_vfs()).c_str());
  REQUIRE(vfs != nullptr);
  std::vector<std::max_align_t> memory(static_cast<size_t>(vfs->szOsFile));
  auto* const file = reinterpret_cast<sqlite3_file*>(memory.data());
  const char* const path = sqlite3_filename_wal(sqlite3_db_filename(database.writer.raw(), "main"));
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL;
  REQUIRE(vfs->xOpen(vfs, path, file, flags, &flags) == SQLITE_OK);
  const std::string head(24, '\0');  // Of a frame that ends nothing: it is kept.
  REQUIRE(file->pMethods->xWrite(file, head.data(), 24, 1 << 20) == SQLITE_OK);
  disk().arm(1, Failure::for_ever, SQLITE_IOERR_WRITE);
  CHECK(file->pMethods->xClose(file) == SQLITE_OK);
  disk().arm(0, Failure::once, 0);
  CHECK(open_files() == before);
}

TEST_CASE("a VFS above one that there isn't opens nothing") {
  TestFolder folder;
  CHECK_FALSE(Connection::open(folder.path() + "/db", wal_vfs("no such disk")).ok());
}
