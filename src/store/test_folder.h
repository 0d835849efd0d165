// TestFolder: an empty folder for one test, removed with all that is in it. For tests only.
#pragma once

#include <stdlib.h>

#include <string>

#include "base/check.h"
#include "base/files.h"

namespace orch::store {

class TestFolder {
 public:
  TestFolder() {
    char path[] = "/tmp/orch-store-XXXXXX";
    ORCH_CHECK(::mkdtemp(path) != nullptr);
    path_ = path;
  }
  ~TestFolder() { ORCH_CHECK(remove_tree(path_).ok()); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace orch::store
