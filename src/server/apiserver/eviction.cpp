#include "server/apiserver/eviction.h"

#include <utility>

namespace orch::apiserver {
namespace {

using api::Value;

constexpr size_t kMaxDisruptedPods = 2000;
constexpr int kRetryWhenObservedS = 10;

Status refused(std::string cause, int retry_after_s = 0) {
  Status status = too_many_requests(
      "Cannot evict pod as it would violate the pod's disruption budget.", retry_after_s);
  status.details.causes.push_back({"DisruptionBudget", std::move(cause), ""});
  return status;
}

bool is_ready(const Value& pod) {
  for (const Value& condition : pod.at("status.conditions").items()) {
    if (condition["type"].as_string() == "Ready") return condition["status"].as_string() == "True";
  }
  return false;
}

// A pod that serves nobody can go when the others suffice, or always.
bool is_free(const Value& pod, const Value& budget) {
  if (is_ready(pod)) return false;
  if (budget.at("spec.unhealthyPodEvictionPolicy").as_string() == "AlwaysAllow") return true;
  const int64_t desired = budget.at("status.desiredHealthy").as_int();
  return desired > 0 && budget.at("status.currentHealthy").as_int() >= desired;
}

}  // namespace

bool is_beyond_budgets(const Value& pod) {
  const std::string& phase = pod.at("status.phase").as_string();
  return phase == "Succeeded" || phase == "Failed" || phase == "Pending" ||
         !pod.at("metadata.deletionTimestamp").empty();
}

Result<std::optional<Value>> spend_budget(const Value& pod, const std::vector<Value>& budgets,
                                          WallTime now) {
  if (budgets.empty()) return std::optional<Value>();
  if (budgets.size() > 1) {
    return internal_error(
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not "
        "support.");
  }
  Value budget = budgets.front();
  if (is_free(pod, budget)) return std::optional<Value>();
  const Value status = std::as_const(budget)["status"];
  const std::string name = budget.at("metadata.name").as_string();
  if (status["observedGeneration"].as_int() < budget.at("metadata.generation").as_int()) {
    return refused("The disruption budget " + name + " is still being processed by the server.",
                   kRetryWhenObservedS);
  }
  if (status["disruptedPods"].size() > kMaxDisruptedPods) {
    return forbidden({"policy", "poddisruptionbudgets", name},
                     "DisruptedPods map too big - too many evictions not confirmed by PDB "
                     "controller");
  }
  const int64_t allowed = status["disruptionsAllowed"].as_int();
  if (allowed <= 0) {
    return refused("The disruption budget " + name + " needs " +
                   std::to_string(status["desiredHealthy"].as_int()) + " healthy pods and has " +
                   std::to_string(status["currentHealthy"].as_int()) + " currently");
  }
  budget["status"].set("disruptionsAllowed", allowed - 1);
  budget["status"]["disruptedPods"].set(pod.at("metadata.name").as_string(), format_time(now));
  return std::optional<Value>(std::move(budget));
}

}  // namespace orch::apiserver
