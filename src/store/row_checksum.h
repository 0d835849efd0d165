// The checksum of a row on disk, over all of its columns: whoever reads a row, to load or to copy
// it, knows whether it is what was written. Pure.
#pragma once

#include <cstdint>
#include <string_view>

namespace orch::store {

int64_t checksum_of(int64_t id, int64_t revision, int64_t create_revision, int64_t revision_at,
                    std::string_view key, std::string_view bytes);

}  // namespace orch::store
