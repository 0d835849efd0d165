#include "store/spare.h"

#include "base/files.h"

namespace orch::store {

namespace {

constexpr size_t kSpareBytes = 128u << 10;

std::string path_in(const std::string& directory) { return directory + "/spare"; }

}  // namespace

void use_spare(const std::string& directory) { (void)remove_tree(path_in(directory)); }

void keep_spare(const std::string& directory) {
  const std::string path = path_in(directory);
  if (!write_file_whole(path, std::string(kSpareBytes, '\0')).ok()) (void)remove_tree(path);
}

}  // namespace orch::store
