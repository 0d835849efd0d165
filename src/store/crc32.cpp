// Eight bytes at a time, each with a table of its own (M. Kounavis, F. Berry, "A Systematic
// Approach to Building High Performance Software-based CRC Generators", 2005): a byte after
// another, each step would wait for the one before it.
#include "store/crc32.h"

#include <array>
#include <cstddef>

namespace orch::store {

namespace {

constexpr uint32_t kPolynomial = 0x04c11db7;
constexpr size_t kStep = 8;

using Table = std::array<uint32_t, 256>;

// What a byte makes of the checksum when so many bytes follow it.
constexpr std::array<Table, kStep> make_tables() {
  std::array<Table, kStep> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte << 24;
    for (int bit = 0; bit < 8; ++bit) value = value << 1 ^ ((value >> 31) != 0 ? kPolynomial : 0);
    tables[0][byte] = value;
  }
  for (size_t follow = 1; follow < kStep; ++follow) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t value = tables[follow - 1][byte];
      tables[follow][byte] = value << 8 ^ tables[0][value >> 24];
    }
  }
  return tables;
}

}  // namespace

uint32_t crc32(std::string_view bytes, uint32_t before) {
  static constexpr auto kTables = make_tables();
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  uint32_t value = before;
  for (; bytes.size() >= kStep; bytes.remove_prefix(kStep)) {
    const uint32_t first = value ^ (uint32_t{at(0)} << 24 | uint32_t{at(1)} << 16 |
                                    uint32_t{at(2)} << 8 | uint32_t{at(3)});
    value = kTables[7][first >> 24] ^ kTables[6][first >> 16 & 255] ^ kTables[5][first >> 8 & 255] ^
            kTables[4][first & 255] ^ kTables[3][at(4)] ^ kTables[2][at(5)] ^ kTables[1][at(6)] ^
            kTables[0][at(7)];
  }
  for (; !bytes.empty(); bytes.remove_prefix(1))
    value = value << 8 ^ kTables[0][value >> 24 ^ at(0)];
  return value;
}

}  // namespace orch::store
