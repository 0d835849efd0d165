#include "store/raft_folder.h"

#include <cstdlib>
#include <filesystem>

#include "base/files.h"

namespace orch::store {

namespace {

constexpr const char* kFirstEntry = "0000000000000001-0000000000000001";

}  // namespace

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

namespace {

bool has_metadata(const std::string& folder) {
  return file_exists(folder + "/metadata1") || file_exists(folder + "/metadata2");
}

// libraft writes a log's metadata, then its first entry; what it opens for entries (open-1) and
// copies come once it has started.
bool is_half_begun(const std::string& folder) {
  if (!has_metadata(folder)) return false;
  std::error_code code;
  for (const auto& file : std::filesystem::directory_iterator(folder, code)) {
    const std::string name = file.path().filename();
    const bool may_be = name.starts_with("metadata") || name.starts_with("tmp-") ||
                        name == "boot" || name == "vote" || name == "reached" ||
                        name == kFirstEntry;
    if (!may_be) return false;
  }
  return !code;
}

}  // namespace

bool has_raft_log(const std::string& directory) {
  const std::string folder = log_directory(directory);
  return has_metadata(folder) && !is_half_begun(folder);
}

Result<void> forget_half_a_beginning(const std::string& directory) {
  const std::string folder = log_directory(directory);
  if (!is_half_begun(folder)) return {};
  for (const char* name : {"metadata1", "metadata2", "vote", "reached", kFirstEntry}) {
    ORCH_TRY(remove_tree(folder + "/" + name));
  }
  return {};
}

}  // namespace orch::store
