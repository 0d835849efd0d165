#include "server/apiserver/in_flight.h"

#include "server/apiserver/authorize.h"

namespace orch::apiserver {

Lane lane_of(const User& user, std::string_view path) {
  if (user.in_group(kMastersGroup) || is_public_path(path)) return Lane::exempt;
  const bool system =
      user.in_group(kNodesGroup) || user.in_group("system:serviceaccounts:kube-system") ||
      user.name == "system:kube-controller-manager" || user.name == "system:kube-scheduler";
  return system ? Lane::system : Lane::ordinary;
}

Result<InFlight::Place> InFlight::enter(bool mutating, Lane lane) {
  const bool system = lane == Lane::system;
  std::atomic<int>& count = system ? system_ : mutating ? mutating_ : read_only_;
  const int max = system ? limits_.system : mutating ? limits_.mutating : limits_.read_only;
  Place place(&count);
  const int before = count.fetch_add(1, std::memory_order_relaxed);
  if (max > 0 && before >= max && lane != Lane::exempt) {
    return too_many_requests("Too many requests, please try again later.", kRetryAfterS);
  }
  return place;
}

}  // namespace orch::apiserver
