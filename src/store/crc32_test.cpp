#include "store/crc32.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace orch::store {
namespace {

// A bit after another.
uint32_t slow_crc32(const std::string& bytes) {
  uint32_t value = 0;
  for (const char byte : bytes) {
    value ^= static_cast<uint32_t>(static_cast<unsigned char>(byte)) << 24;
    for (int bit = 0; bit < 8; ++bit) value = value << 1 ^ ((value >> 31) != 0 ? 0x04c11db7 : 0);
  }
  return value;
}

}  // namespace

TEST_CASE("a CRC-32 with the highest bit first") {
  // The catalogue's check value of CRC-32/MPEG-2, which is begun with ones.
  CHECK(crc32("123456789", 0xffffffff) == 0x0376e6e7);
  CHECK(crc32("") == 0);
  std::string bytes;
  for (int i = 0; i < 70; ++i) {
    bytes += static_cast<char>(i * 37 + 128);
    CHECK(crc32(bytes) == slow_crc32(bytes));
    const std::string_view all = bytes;
    CHECK(crc32(all.substr(5 * all.size() / 8), crc32(all.substr(0, 5 * all.size() / 8))) ==
          crc32(all));
  }
}

}  // namespace orch::store
