// A thin skin over SQLite's C interface: a connection, a prepared statement, a file, and its result
// codes as Status. One thread at a time uses a connection and its statements.
#pragma once

#include <sqlite3.h>

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::store {

class Statement {
 public:
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  // Parameters count from 1. Text and blobs are not copied: they live until step() is done.
  void bind(int at, int64_t value) { sqlite3_bind_int64(statement_.get(), at, value); }
  void bind_text(int at, std::string_view value) {
    sqlite3_bind_text64(statement_.get(), at, value.data(), value.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
  }
  void bind_blob(int at, std::string_view value) {
    sqlite3_bind_blob64(statement_.get(), at, value.data(), value.size(), SQLITE_STATIC);
  }

  int step() { return sqlite3_step(statement_.get()); }  // SQLITE_ROW, SQLITE_DONE or an error.
  int reset() { return sqlite3_reset(statement_.get()); }
  int run() {  // For statements without rows. SQLITE_DONE or an error.
    const int code = step();
    reset();
    return code;
  }

  // Columns count from 0; views live until the next step() or reset().
  int64_t integer(int at) { return sqlite3_column_int64(statement_.get(), at); }
  std::string_view bytes(int at) {
    const void* data = sqlite3_column_blob(statement_.get(), at);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_.get(), at));
    return {static_cast<const char*>(data), size};
  }

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class Connection {
 public:
  // Opens or makes the file. `vfs` "" is the system's.
  static Result<Connection> open(const std::string& path, const std::string& vfs);

  Result<void> run(const char* sql);  // One or more statements; rows are thrown away.
  Result<Statement> prepare(const char* sql);
  Result<int64_t> number(const char* query);  // Its answer is one row with one number.
  // What was written to the database's file before this call, by whomever, is on disk.
  Result<void> sync();
  sqlite3* raw() { return connection_.get(); }

  // The failure `code` of the last call as a Status: "<path>: <what>: <SQLite's message>"; damage
  // is told as such (damage.h).
  Status failure(int code, std::string_view what) const;
  // Is `code` of the last call nothing but a full disk or quota, so that a retry can succeed?
  bool is_disk_full(int code) const;

 private:
  struct Close {
    void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
  };
  Connection(sqlite3* connection, std::string path)
      : connection_(connection), path_(std::move(path)) {}
  bool is_over_quota(int which) const;

  std::unique_ptr<sqlite3, Close> connection_;
  std::string path_;
};

// The write-ahead log of a database as a file of its own, to be synced while its connection writes
// on another thread. Gone before the connection.
class SyncedFile {
 public:
  static Result<SyncedFile> open_wal(Connection& connection);
  // What was written before this call, by whomever, is on disk.
  Result<void> sync();

 private:
  struct Close {
    void operator()(sqlite3_file* file) const;
  };
  explicit SyncedFile(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::unique_ptr<sqlite3_file, Close> file_;
};

}  // namespace orch::store
