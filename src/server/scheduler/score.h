// score: which of the nodes that can take a pod should. Pure; whole numbers, the highest wins.
#pragma once

#include <vector>

#include "server/scheduler/filter.h"

namespace orch::scheduler {

inline constexpr int64_t kMaxScore = 100;

// 0..100: how much CPU and memory would be left.
int64_t score_least_allocated(const PodInfo& pod, const NodeInfo& node);
// The weights of the preferences that hold, minus those of PreferNoSchedule taints not tolerated
// (each counts like a preference of weight 10).
int64_t score_preferences(const PodInfo& pod, const NodeInfo& node);

// The index of the best of `fitting` (never empty): least allocated + few pods of the same owner
// (doubly weighted) + preferences. Ties go to the first by `start`, counted around, so that equal
// nodes take turns.
size_t plan_best(const PodInfo& pod, const std::vector<const NodeInfo*>& fitting, size_t start);

}  // namespace orch::scheduler
