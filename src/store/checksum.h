// A checksum against damage on disk, not against malice: 8 bytes a step, each spread by a
// multiplication with an odd constant and a shift, as in splitmix64. The same on every machine.
#pragma once

#include <endian.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace orch::store {

class Checksum {
 public:
  void add(uint64_t word) {
    state_ = (state_ ^ word) * 0x9e3779b97f4a7c15u;
    state_ ^= state_ >> 32;
  }
  void add(std::string_view bytes) {
    add(bytes.size());
    for (; bytes.size() >= 8; bytes.remove_prefix(8)) add(word_of(bytes.substr(0, 8)));
    if (!bytes.empty()) add(word_of(bytes));
  }
  int64_t value() const { return static_cast<int64_t>(state_); }
  // As it stands behind what it was made of.
  static constexpr size_t kBytes = 8;
  std::string bytes() const {
    const uint64_t value = htole64(state_);
    return {reinterpret_cast<const char*>(&value), kBytes};
  }

 private:
  static uint64_t word_of(std::string_view bytes) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data(), bytes.size());
    return le64toh(word);
  }
  uint64_t state_ = 0;
};

}  // namespace orch::store
