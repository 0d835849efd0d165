#include "server/apiserver/in_flight.h"

namespace orch::apiserver {

Result<InFlight::Place> InFlight::enter(bool mutating, bool exempt) {
  std::atomic<int>& count = mutating ? mutating_ : read_only_;
  const int max = mutating ? max_mutating_ : max_read_only_;
  Place place(&count);
  const int before = count.fetch_add(1, std::memory_order_relaxed);
  if (before >= max && !exempt) {
    return too_many_requests("Too many requests, please try again later.", kRetryAfterS);
  }
  return place;
}

InFlight::Place InFlight::enter_long_running() {
  long_running_.fetch_add(1, std::memory_order_relaxed);
  return Place(&long_running_);
}

bool is_exempt(const User& user) {
  return user.in_group(kMastersGroup) || user.in_group(kNodesGroup);
}

}  // namespace orch::apiserver
