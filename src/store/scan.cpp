#include "store/scan.h"

#include "base/files.h"
#include "store/sqlite.h"
#include "store/table.h"

namespace orch::store {

Result<void> scan_database(
    const std::string& directory,
    const std::function<void(std::string_view key, std::string_view stored)>& visit) {
  const std::string path = database_path(directory);
  if (!file_exists(path)) return not_found(path + " is not there");
  Connection connection = ORCH_TRY(Connection::open(path, ""));
  Statement row = ORCH_TRY(connection.prepare("SELECT key, bytes FROM o ORDER BY id"));
  int code = 0;
  while ((code = row.step()) == SQLITE_ROW) visit(row.bytes(0), row.bytes(1));
  if (code != SQLITE_DONE) return connection.failure(code, "read");
  return {};
}

}  // namespace orch::store
