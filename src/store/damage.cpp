#include "store/damage.h"

namespace orch::store {

namespace {

constexpr const char* kDamaged = "StoreDamaged";
constexpr const char* kRemoved = "ServerRemoved";

Status because(const char* cause, std::string message) {
  Status status = service_unavailable(std::move(message));
  status.details.causes = {{cause, "", ""}};
  return status;
}

bool is_because(const char* cause, const Status& status) {
  const auto& causes = status.details.causes;
  return causes.size() == 1 && causes.front().reason == cause;
}

}  // namespace

Status damaged(std::string message) { return because(kDamaged, std::move(message)); }
bool is_damaged(const Status& status) { return is_because(kDamaged, status); }
Status removed(std::string message) { return because(kRemoved, std::move(message)); }
bool is_removed(const Status& status) { return is_because(kRemoved, status); }

}  // namespace orch::store
