// replica_set: keeps the number of live pods that a ReplicaSet controls equal to spec.replicas.
#pragma once

#include "base/clock.h"
#include "client/event_recorder.h"
#include "client/loop_runner.h"

namespace orch::controllers {

// What is to be done for one ReplicaSet. Pointers are into the pods that the plan was made from.
struct ReplicaPlan {
  std::vector<const api::Value*> adopt;    // Match the selector and have no controller.
  std::vector<const api::Value*> release;  // Ours, but match no more.
  std::vector<const api::Value*> doomed;   // Too many.
  int64_t missing = 0;
  api::Value status;  // As it is now, before the acts.
  client::Requeue check_again = client::Requeue::never();
};
// `pods`: those that the set controls or whose labels match, in its namespace.
ReplicaPlan plan_replicas(const api::Value& set, const std::vector<api::Value>& pods, WallTime now);
// A pod of the set's template, ready to be created.
api::Value pod_from_template(const api::Value& set);

class ReplicaSetController : public client::Reconciler {
 public:
  // At most this many pods are made or deleted in one go.
  static constexpr int64_t kMaxBurst = 500;

  ReplicaSetController(client::Api& api, const client::Cache& cache, client::EventSink& events,
                       const Clock& clock)
      : api_(api), cache_(cache), events_(events), clock_(clock) {}

  std::string_view name() const override { return "replicaset"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  std::vector<api::Value> pods_of(const api::Value& set) const;
  Result<void> change_controller(const api::Value& set, const ReplicaPlan& plan);
  Result<void> create_pods(const api::Value& set, int64_t count);
  Result<void> delete_pods(const api::Value& set, const std::vector<const api::Value*>& pods);

  client::Api& api_;
  const client::Cache& cache_;
  client::EventSink& events_;
  const Clock& clock_;
};

}  // namespace orch::controllers
