#include "store/raft_folder.h"

#include <cstdlib>

#include "base/files.h"

namespace orch::store {

std::string log_directory(const std::string& directory) { return directory + "/raft"; }

Result<uint64_t> next_boot(const std::string& directory, Clock& clock) {
  const std::string path = log_directory(directory) + "/boot";
  uint64_t last = 0;
  if (file_exists(path)) {
    const std::string text = ORCH_TRY(read_file(path, 64));
    last = std::strtoull(text.c_str(), nullptr, 10);
  }
  const auto now = std::chrono::floor<std::chrono::seconds>(clock.now()).time_since_epoch();
  const uint64_t boot = std::max(last + 1, static_cast<uint64_t>(now.count()));
  ORCH_TRY(write_file_atomic(path, std::to_string(boot) + "\n"));
  return boot;
}

bool has_raft_log(const std::string& directory) {
  const std::string folder = log_directory(directory);
  return file_exists(folder + "/metadata1") || file_exists(folder + "/metadata2");
}

}  // namespace orch::store
