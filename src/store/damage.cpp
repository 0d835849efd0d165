#include "store/damage.h"

namespace orch::store {

namespace {

constexpr const char* kCause = "StoreDamaged";

}  // namespace

Status damaged(std::string message) {
  Status status = service_unavailable(std::move(message));
  status.details.causes = {{kCause, "", ""}};
  return status;
}

bool is_damaged(const Status& status) {
  const auto& causes = status.details.causes;
  return causes.size() == 1 && causes.front().reason == kCause;
}

}  // namespace orch::store
