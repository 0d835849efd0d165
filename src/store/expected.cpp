#include "store/expected.h"

namespace orch::store {

Result<void> check_expected(const Write& write, int64_t current) {
  const std::string key = "\"" + write.key + "\"";
  const auto& expected = write.expected_revision;
  if (expected == 0 && current != 0) return already_exists(key + " already exists");
  const bool needs_one = !write.bytes || expected.value_or(0) != 0;
  if (current == 0 && needs_one) return not_found(key + " not found");
  if (expected && current != 0 && *expected != current) {
    return conflict(key + " is at revision " + std::to_string(current) + ", not " +
                    std::to_string(*expected));
  }
  return {};
}

}  // namespace orch::store
