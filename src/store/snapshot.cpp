#include "store/snapshot.h"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>

#include "base/fd.h"
#include "base/files.h"
#include "store/sqlite.h"

namespace orch::store {

namespace {

Result<void> sync(const std::string& path, int flags) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | flags));
  if (!fd || ::fsync(fd.get()) != 0) return system_error("sync " + path, errno);
  return {};
}

Result<void> copy_to(const std::string& partial, const std::string& database,
                     const std::string& vfs) {
  // SQLite fills an empty file; its own would be readable by all, and there are Secrets in it.
  const UniqueFd empty(::open(partial.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!empty) return system_error("open " + partial, errno);
  Connection connection = ORCH_TRY(Connection::open(database, vfs));
  Statement copy = ORCH_TRY(connection.prepare("VACUUM INTO ?"));
  copy.bind_text(1, partial);
  if (const int code = copy.run(); code != SQLITE_DONE) {
    return connection.failure(code, "copy to " + partial);
  }
  return sync(partial, 0);
}

}  // namespace

Result<void> write_snapshot(const std::string& database, const std::string& vfs,
                            const std::string& path) {
  if (file_exists(path)) return already_exists(path + " already exists");
  const std::string partial = path + ".partial";
  ORCH_TRY(remove_tree(partial));  // Of one that was interrupted.
  if (Result<void> copied = copy_to(partial, database, vfs); !copied) {
    ORCH_TRY(remove_tree(partial));
    return copied;
  }
  if (::rename(partial.c_str(), path.c_str()) != 0) return system_error("rename " + partial, errno);
  const size_t slash = path.rfind('/');
  return sync(slash == path.npos ? "." : path.substr(0, slash + 1), O_DIRECTORY);
}

}  // namespace orch::store
