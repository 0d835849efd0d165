#include "store/snapshot.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <functional>

#include "base/fd.h"
#include "base/files.h"
#include "store/damage.h"
#include "store/row_checksum.h"
#include "store/sqlite.h"
#include "store/table.h"
#include "store/table_meta.h"

namespace orch::store {

namespace {

constexpr size_t kStepBytes = 1u << 20;  // Goes to disk at once.

Result<void> sync(const std::string& path, int flags) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  if (!fd || ::fsync(fd.get()) != 0) return system_error("sync " + path, errno);
  return {};
}

Result<Connection> open_existing(const std::string& path, const std::string& vfs) {
  if (!file_exists(path)) return not_found("there is no database " + path);
  return Connection::open(path, vfs);
}

// Every row of one state, in order, once its checksum is found right.
Result<DatabaseFacts> read_rows(Connection& connection, const std::string& path,
                                const std::function<Result<void>(Statement&)>& visit) {
  ORCH_TRY(connection.run("BEGIN"));
  DatabaseFacts facts;
  const TableMeta meta = ORCH_TRY(read_meta(connection, path));
  facts.revision = meta.revision;
  Statement row = ORCH_TRY(connection.prepare("SELECT * FROM o ORDER BY id"));
  int code = 0;
  while ((code = row.step()) == SQLITE_ROW) {
    const std::string_view key = row.bytes(5);
    if (row.integer(4) != checksum_of(row.integer(0), row.integer(1), row.integer(2),
                                      row.integer(3), key, row.bytes(6))) {
      return damaged(path + " is damaged: row " + std::to_string(row.integer(0)) + ", key " +
                     std::string(key) + ", fails its checksum");
    }
    facts.revision = std::max(facts.revision, row.integer(1));
    ++facts.objects;
    ORCH_TRY(visit(row));
  }
  if (code != SQLITE_DONE) return connection.failure(code, "read");
  ORCH_TRY(check_rows(meta, facts.objects, path));
  return facts;
}

// Fills a new file, a step at a time.
class Copy {
 public:
  static Result<Copy> open(const std::string& path, UniqueFd file) {
    Connection connection = ORCH_TRY(Connection::open(path, ""));
    // Nobody reads it before it is whole, and the syncs are ours.
    ORCH_TRY(connection.run(kSetPageSize));
    ORCH_TRY(
        connection.run("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
                       "PRAGMA cache_size=-2048"));
    ORCH_TRY(make_tables(connection, path));
    ORCH_TRY(connection.run("BEGIN"));
    Statement put = ORCH_TRY(connection.prepare("INSERT INTO o VALUES(?,?,?,?,?,?,?)"));
    return Copy(path, std::move(file), std::move(connection), std::move(put));
  }

  Result<void> add(Statement& row) {
    for (int at = 0; at < 5; ++at) put_.bind(at + 1, row.integer(at));
    put_.bind_text(6, row.bytes(5));
    put_.bind_blob(7, row.bytes(6));
    if (const int code = put_.run(); code != SQLITE_DONE) return failure(code);
    step_bytes_ += row.bytes(6).size();
    if (step_bytes_ < kStepBytes) return {};
    step_bytes_ = 0;
    ORCH_TRY(connection_.run("COMMIT"));
    ORCH_TRY(flush());
    return connection_.run("BEGIN");
  }

  Result<void> finish(const DatabaseFacts& facts) {
    {
      Statement meta = ORCH_TRY(prepare_meta(connection_));
      const int code = write_meta(meta, {.revision = facts.revision, .rows = facts.objects});
      if (code != SQLITE_DONE) return failure(code);
    }
    ORCH_TRY(connection_.run("COMMIT"));
    return flush();
  }

 private:
  Copy(std::string path, UniqueFd file, Connection connection, Statement put)
      : path_(std::move(path)),
        file_(std::move(file)),
        connection_(std::move(connection)),
        put_(std::move(put)) {}

  Status failure(int code) { return connection_.failure(code, "copy to " + path_); }
  Result<void> flush() {
    if (::fdatasync(file_.get()) != 0) return system_error("sync " + path_, errno);
    return {};
  }

  std::string path_;
  UniqueFd file_;
  Connection connection_;
  Statement put_;
  size_t step_bytes_ = 0;
};

Result<DatabaseFacts> copy_to(const std::string& partial, const std::string& database,
                              const std::string& vfs) {
  Connection from = ORCH_TRY(open_existing(database, vfs));
  // SQLite fills an empty file; its own would be readable by all, and there are Secrets in it.
  UniqueFd empty(::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!empty) return system_error("open " + partial, errno);
  Copy copy = ORCH_TRY(Copy::open(partial, std::move(empty)));
  const DatabaseFacts facts =
      ORCH_TRY(read_rows(from, database, [&](Statement& row) { return copy.add(row); }));
  ORCH_TRY(copy.finish(facts));
  return facts;
}

}  // namespace

Result<DatabaseFacts> write_snapshot(const std::string& database, const std::string& vfs,
                                     const std::string& path) {
  if (file_exists(path)) return already_exists(path + " already exists");
  const std::string partial = path + ".partial";
  ORCH_TRY(remove_tree(partial));  // Of one that was interrupted.
  auto copied = copy_to(partial, database, vfs);
  if (!copied) {
    ORCH_TRY(remove_tree(partial));
    return copied;
  }
  if (::rename(partial.c_str(), path.c_str()) != 0) return system_error("rename " + partial, errno);
  const size_t slash = path.rfind('/');
  ORCH_TRY(sync(slash == path.npos ? "." : path.substr(0, slash + 1), O_DIRECTORY));
  return copied;
}

Result<DatabaseFacts> check_database(const std::string& path) {
  Connection connection = ORCH_TRY(open_existing(path, ""));
  return read_rows(connection, path, [](Statement&) { return Result<void>(); });
}

Result<int64_t> latest_revision(const std::string& path) {
  Connection connection = ORCH_TRY(open_existing(path, ""));
  const TableMeta meta = ORCH_TRY(read_meta(connection, path));
  const int64_t last = ORCH_TRY(connection.number("SELECT ifnull(max(revision), 1) FROM o"));
  return std::max(meta.revision, last);
}

Result<void> raise_revision(const std::string& path, int64_t revision) {
  const int64_t now = ORCH_TRY(latest_revision(path));
  Connection connection = ORCH_TRY(open_existing(path, ""));
  ORCH_TRY(connection.run("PRAGMA synchronous=FULL"));
  ORCH_TRY(make_tables(connection, path));
  TableMeta meta = ORCH_TRY(read_meta(connection, path));
  meta.revision = std::max(now, revision);
  Statement write = ORCH_TRY(prepare_meta(connection));
  const int code = write_meta(write, meta);
  if (code != SQLITE_DONE) return connection.failure(code, "raise the revision");
  return {};
}

}  // namespace orch::store
