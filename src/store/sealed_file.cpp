#include "store/sealed_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/files.h"
#include "store/checksum.h"

namespace orch::store {

namespace {

using Words = std::array<uint64_t, 3>;  // The numbers and their checksum, little endian.

uint64_t sum_of(const SealedFile::Numbers& numbers) {
  Checksum sum;
  sum.add(sizeof(Words));  // A file of zeros has no numbers.
  sum.add(numbers.first);
  sum.add(numbers.second);
  return static_cast<uint64_t>(sum.value());
}

}  // namespace

Result<SealedFile> SealedFile::open(const std::string& path) {
  if (!file_exists(path)) {
    ORCH_TRY(write_file_atomic(path, std::string(sizeof(Words), '\0')));
  }
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return system_error("open " + path, errno);
  SealedFile file(path, std::move(fd));
  Words words{};
  const ssize_t size = ::pread(file.file_.get(), words.data(), sizeof words, 0);
  if (size < 0) return system_error("read " + path, errno);
  const Numbers numbers{le64toh(words[0]), le64toh(words[1])};
  const bool is_whole = size == static_cast<ssize_t>(sizeof words);
  if (is_whole && le64toh(words[2]) == sum_of(numbers)) file.numbers_ = numbers;
  return file;
}

Result<void> SealedFile::write(const Numbers& numbers, Sync sync) {
  const Words words{htole64(numbers.first), htole64(numbers.second), htole64(sum_of(numbers))};
  const ssize_t size = ::pwrite(file_.get(), words.data(), sizeof words, 0);
  if (size != static_cast<ssize_t>(sizeof words)) {
    return system_error("write " + path_, size < 0 ? errno : EIO);
  }
  if (sync == Sync::yes && ::fdatasync(file_.get()) != 0) {
    return system_error("sync " + path_, errno);
  }
  numbers_ = numbers;
  return {};
}

}  // namespace orch::store
