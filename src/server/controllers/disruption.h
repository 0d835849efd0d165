// disruption: keeps status of every PodDisruptionBudget: how many of its pods are healthy, how many
// must be, and so how many may be evicted now. The API server spends what it allows
// (apiserver/eviction.h) and notes each evicted pod in disruptedPods until it is seen to go.
// Follows: "Specifying a Disruption Budget for your Application".
#pragma once

#include <map>

#include "api/selector.h"
#include "base/clock.h"
#include "client/loop_runner.h"

namespace orch::controllers {

// An evicted pod that hasn't gone by then isn't going: it counts as healthy again.
inline constexpr std::chrono::minutes kEvictionTakes{2};

struct DisruptionPlan {
  api::Value status;
  client::Requeue check_again = client::Requeue::never();  // When a note in it becomes too old.
};

// `expected` is how many pods their controllers want; unset when that can't be told of some pod's.
DisruptionPlan plan_disruption(const api::Value& budget, const std::vector<api::Value>& pods,
                               std::optional<int64_t> expected, WallTime now);

class DisruptionController : public client::Reconciler {
 public:
  DisruptionController(client::Api& api, const client::Cache& cache, const api::Schema& schema,
                       const Clock& clock);

  std::string_view name() const override { return "disruption"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  std::vector<client::ObjectKey> on_budget(const client::ChangedObject& changed);
  std::vector<client::ObjectKey> on_pod(const client::ChangedObject& changed) const;
  std::vector<client::ObjectKey> on_controller(const client::ChangedObject& changed) const;
  std::optional<int64_t> expected_of(const std::vector<api::Value>& pods) const;

  client::Api& api_;
  const client::Cache& cache_;
  const Clock& clock_;
  const api::Resource& budgets_;
  const std::vector<const api::Resource*> workloads_;  // What controls pods and counts replicas.
  std::map<client::ObjectKey, api::LabelSelector> selectors_;  // Cache's thread only.
};

}  // namespace orch::controllers
