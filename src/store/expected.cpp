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

Result<void> check_term(const Write& write, uint64_t term) {
  if (write.only_in_term.value_or(term) == term) return {};
  return service_unavailable("\"" + write.key + "\" was to be written in term " +
                             std::to_string(*write.only_in_term) + ", this is term " +
                             std::to_string(term) + ": another server leads by now");
}

}  // namespace orch::store
