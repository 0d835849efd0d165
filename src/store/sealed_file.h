// SealedFile: two numbers on disk with a checksum. They are written in place, so that a full disk
// takes them too; where power was lost in the midst of it, or the file was damaged, there are none.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/fd.h"
#include "base/result.h"

namespace orch::store {

class SealedFile {
 public:
  using Numbers = std::pair<uint64_t, uint64_t>;
  enum class Sync { yes, no };

  // Makes the file when it is missing.
  static Result<SealedFile> open(const std::string& path);

  const std::optional<Numbers>& numbers() const { return numbers_; }
  Result<void> write(const Numbers& numbers, Sync sync);

 private:
  SealedFile(std::string path, UniqueFd file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  UniqueFd file_;
  std::optional<Numbers> numbers_;
};

}  // namespace orch::store
