// See score.h.
#include "server/scheduler/score.h"

#include <algorithm>

namespace orch::scheduler {

namespace {

using Amount = Amounts::Amount;

constexpr int64_t kPreferNoScheduleWeight = 10;

// Pods that ask for nothing still count something, or all of them would land on one node.
constexpr int64_t kAssumedCpuMilli = 100;
constexpr int64_t kAssumedMemoryBytes = 200 << 20;

int64_t free_share(Amount allocatable, Amount requested) {
  if (allocatable <= 0 || requested >= allocatable) return 0;
  return static_cast<int64_t>(static_cast<double>(allocatable - requested) * kMaxScore /
                              static_cast<double>(allocatable));
}

int pods_of_owner(const PodInfo& pod, const NodeInfo& node) {
  if (pod.owner_uid.empty()) return 0;
  const auto it = node.pods_of_owner.find(pod.owner_uid);
  return it == node.pods_of_owner.end() ? 0 : it->second;
}

// `value` between `low` and `high` as 0..100.
int64_t scaled(int64_t value, int64_t low, int64_t high) {
  return high == low ? kMaxScore : (value - low) * kMaxScore / (high - low);
}

}  // namespace

int64_t score_least_allocated(const PodInfo& pod, const NodeInfo& node) {
  const Amount cpu = pod.requests.cpu_milli > 0 ? pod.requests.cpu_milli : kAssumedCpuMilli;
  const Amount memory =
      pod.requests.memory_bytes > 0 ? pod.requests.memory_bytes : kAssumedMemoryBytes;
  return (free_share(node.allocatable.cpu_milli, node.requested.cpu_milli + cpu) +
          free_share(node.allocatable.memory_bytes, node.requested.memory_bytes + memory)) /
         2;
}

int64_t score_preferences(const PodInfo& pod, const NodeInfo& node) {
  int64_t score = 0;
  for (const PreferredTerm& preferred : pod.preferred)
    if (term_matches(preferred.term, node)) score += preferred.weight;
  for (const Taint& taint : node.taints) {
    if (taint.effect != "PreferNoSchedule") continue;
    if (std::none_of(pod.tolerations.begin(), pod.tolerations.end(),
                     [&](const Toleration& t) { return t.tolerates(taint); }))
      score -= kPreferNoScheduleWeight;
  }
  return score;
}

size_t plan_best(const PodInfo& pod, const std::vector<const NodeInfo*>& fitting, size_t start) {
  std::vector<int64_t> preferences(fitting.size());
  int64_t lowest = INT64_MAX, highest = INT64_MIN;
  int most = 0;
  for (size_t i = 0; i < fitting.size(); ++i) {
    preferences[i] = score_preferences(pod, *fitting[i]);
    lowest = std::min(lowest, preferences[i]);
    highest = std::max(highest, preferences[i]);
    most = std::max(most, pods_of_owner(pod, *fitting[i]));
  }
  size_t best = 0;
  int64_t best_score = -1;
  for (size_t step = 0; step < fitting.size(); ++step) {
    const size_t i = (start + step) % fitting.size();
    const int64_t spread = scaled(most - pods_of_owner(pod, *fitting[i]), 0, most);
    const int64_t score = score_least_allocated(pod, *fitting[i]) + 2 * spread +
                          2 * scaled(preferences[i], lowest, highest);
    if (score <= best_score) continue;
    best = i;
    best_score = score;
  }
  return best;
}

}  // namespace orch::scheduler
