#include "store/row_checksum.h"

#include "store/checksum.h"

namespace orch::store {

int64_t checksum_of(int64_t id, int64_t revision, int64_t create_revision, int64_t revision_at,
                    std::string_view key, std::string_view bytes) {
  Checksum sum;
  sum.add(static_cast<uint64_t>(id));
  sum.add(static_cast<uint64_t>(revision));
  sum.add(static_cast<uint64_t>(create_revision));
  sum.add(static_cast<uint64_t>(revision_at));
  sum.add(key);
  sum.add(bytes);
  return sum.value();
}

}  // namespace orch::store
