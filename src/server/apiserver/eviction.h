// eviction: whether a pod may be evicted, by the disruption budgets that it stands under, and what
// that costs them. PURE. Called by the planner, which writes the budget first and then deletes.
// Follows: "API-initiated Eviction", KEP-3017 (unhealthyPodEvictionPolicy).
#pragma once

#include <optional>
#include <vector>

#include "api/json.h"
#include "base/clock.h"
#include "base/result.h"

namespace orch::apiserver {

// A pod that has ended, hasn't begun, or is being deleted disturbs nobody.
bool is_beyond_budgets(const api::Value& pod);

// Of a pod and the budgets that select it: the budget as it stands after the eviction; nullopt when
// none need change. 429 when the budget forbids it, 500 when there is more than one.
Result<std::optional<api::Value>> spend_budget(const api::Value& pod,
                                               const std::vector<api::Value>& budgets,
                                               WallTime now);

}  // namespace orch::apiserver
