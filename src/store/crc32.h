// CRC-32 as libraft's files have it: the polynomial 0x04c11db7, the highest bit first, begun with 0
// and not inverted at the end. (zlib's is another: the lowest bit first.) PURE.
#pragma once

#include <cstdint>
#include <string_view>

namespace orch::store {

// `before`: of the bytes that come before these.
uint32_t crc32(std::string_view bytes, uint32_t before = 0);

}  // namespace orch::store
