#include "store/sqlite.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "store/damage.h"

namespace orch::store {

Result<Connection> Connection::open(const std::string& path, const std::string& vfs) {
  sqlite3* raw = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags, vfs.empty() ? nullptr : vfs.c_str());
  Connection connection(raw, path);  // SQLite wants it closed after a failure, too.
  if (code != SQLITE_OK) return connection.failure(code, "open");
  sqlite3_extended_result_codes(raw, 1);
  return connection;
}

Result<void> Connection::run(const char* sql) {
  const int code = sqlite3_exec(raw(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return failure(code, sql);
  return {};
}

Result<Statement> Connection::prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(raw(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  // Ours are constant: what one of them can't find there was made and is gone.
  if (code == SQLITE_ERROR) return damaged(failure(code, sql).message);
  if (code != SQLITE_OK) return failure(code, sql);
  return Statement(statement);
}

Result<int64_t> Connection::number(const char* query) {
  Statement statement = ORCH_TRY(prepare(query));
  const int code = statement.step();
  if (code != SQLITE_ROW) return failure(code, query);
  return statement.integer(0);
}

Status Connection::failure(int code, std::string_view what) const {
  std::string message = path_ + ": " + std::string(what) + ": " + sqlite3_errstr(code);
  if (connection_ != nullptr) {
    message += std::string(" (") + sqlite3_errmsg(connection_.get()) + ")";
    const int error_number = sqlite3_system_errno(connection_.get());
    if (error_number != 0) message += std::string(": ") + std::strerror(error_number);
  }
  const bool is_wrong = (code & 0xff) == SQLITE_CORRUPT || code == SQLITE_NOTADB;
  return is_wrong ? damaged(std::move(message)) : service_unavailable(std::move(message));
}

bool Connection::is_disk_full(int code) const {
  // The index of the write-ahead log could not grow. It keeps nothing that is to last.
  if ((code & 0xff) == SQLITE_FULL || code == SQLITE_IOERR_SHMSIZE) return true;
  // A quota that is used up is no SQLITE_FULL. The files know it: of a COMMIT that failed the
  // connection doesn't. Not IOERR_FSYNC: what had been written before is lost, whatever the reason.
  return code == SQLITE_IOERR_WRITE &&
         (is_over_quota(SQLITE_FCNTL_JOURNAL_POINTER) || is_over_quota(SQLITE_FCNTL_FILE_POINTER));
}

bool Connection::is_over_quota(int which) const {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(connection_.get(), "main", which, &file);
  int number = 0;
  return file != nullptr && file->pMethods != nullptr &&
         file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &number) == SQLITE_OK &&
         number == EDQUOT;
}

Result<void> Connection::sync() {
  sqlite3_file* file = nullptr;
  sqlite3_file_control(connection_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  const int code = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
  if (code == SQLITE_OK) return {};
  return service_unavailable(path_ + ": sync: " + sqlite3_errstr(code));
}

void SyncedFile::Close::operator()(sqlite3_file* file) const {
  if (file->pMethods != nullptr) file->pMethods->xClose(file);
  std::free(file);
}

Result<SyncedFile> SyncedFile::open_wal(Connection& connection) {
  sqlite3_vfs* vfs = nullptr;
  sqlite3_file_control(connection.raw(), "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
  const char* const database = sqlite3_db_filename(connection.raw(), "main");
  const char* const path = sqlite3_filename_wal(database);
  SyncedFile wal(path);
  wal.file_.reset(static_cast<sqlite3_file*>(std::calloc(1, static_cast<size_t>(vfs->szOsFile))));
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL;
  const int code = vfs->xOpen(vfs, path, wal.file_.get(), flags, &flags);
  if (code != SQLITE_OK) return connection.failure(code, "open " + wal.path_);
  return wal;
}

Result<void> SyncedFile::sync() {
  const int code = file_->pMethods->xSync(file_.get(), SQLITE_SYNC_NORMAL);
  if (code == SQLITE_OK) return {};
  return service_unavailable(path_ + ": sync: " + sqlite3_errstr(code));
}

}  // namespace orch::store
