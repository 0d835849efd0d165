// deployment: moves the pods of a Deployment from one template to the next by sizing ReplicaSets,
// one per template. Pods are the ReplicaSets' own affair.
//
// Follows: Kubernetes "Deployments" (rolling updates with maxSurge and maxUnavailable, Recreate,
// proportional scaling, progress deadline, revision history, pausing); annotations, condition
// reasons and event texts are those that kubectl and scripts read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "client/event_recorder.h"
#include "client/loop_runner.h"

namespace orch::controllers {

inline constexpr const char* kRevisionAnnotation = "deployment.kubernetes.io/revision";
inline constexpr const char* kRevisionHistoryAnnotation =
    "deployment.kubernetes.io/revision-history";
inline constexpr const char* kDesiredReplicasAnnotation =
    "deployment.kubernetes.io/desired-replicas";
inline constexpr const char* kMaxReplicasAnnotation = "deployment.kubernetes.io/max-replicas";
inline constexpr const char* kTemplateHashLabel = "pod-template-hash";

// What is to be done for one Deployment now; the changes that follow bring the next step.
struct DeploymentPlan {
  std::optional<api::Value> create;     // A new ReplicaSet.
  std::vector<api::Value> update;       // ReplicaSets with another size or annotations.
  std::vector<api::Value> remove;       // ReplicaSets beyond the history limit.
  std::optional<api::Value> annotated;  // The Deployment, when its revision changed.
  api::Value status;                    // As it is now, before the acts.
  std::vector<std::string> scalings;    // Messages of the events ScalingReplicaSet.
  client::Requeue check_again = client::Requeue::never();
};
// `sets`: the ReplicaSets that the Deployment controls. `old_pods_run`: pods of other templates
// than the present one have not ended yet (looked at for Recreate only).
DeploymentPlan plan_deployment(const api::Value& deployment, const std::vector<api::Value>& sets,
                               bool old_pods_run, WallTime now);

// Ten characters that stand for the template; `collisions` makes another ten of the same template.
std::string template_hash(const api::Value& pod_template, int64_t collisions);
bool same_template(const api::Value& a, const api::Value& b);  // But for the hash label.

// maxSurge and maxUnavailable as numbers of pods; never both 0.
struct RolloutBounds {
  int64_t surge = 0;
  int64_t unavailable = 0;
};
RolloutBounds rollout_bounds(const api::Value& deployment);

// The status that `sets` add up to, `fresh` (or null) being the present template's. Conditions
// Available, Progressing and ReplicaFailure carry on from the Deployment's.
struct StatusPlan {
  api::Value status;
  client::Requeue check_again = client::Requeue::never();  // When the progress deadline passes.
};
StatusPlan plan_deployment_status(const api::Value& deployment, const std::vector<api::Value>& sets,
                                  const api::Value* fresh, WallTime now);
// All pods are of the present template and available, as `status` says.
bool is_rolled_out(const api::Value& deployment, const api::Value& status);

class DeploymentController : public client::Reconciler {
 public:
  DeploymentController(client::Api& api, const client::Cache& cache, client::EventSink& events,
                       const Clock& clock)
      : api_(api), cache_(cache), events_(events), clock_(clock) {}

  std::string_view name() const override { return "deployment"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  Result<std::vector<api::Value>> sets_of(const api::Value& deployment);
  bool old_pods_run(const api::Value& deployment, const std::vector<api::Value>& sets) const;
  Result<bool> create_set(const api::Value& deployment, const api::Value& set);

  client::Api& api_;
  const client::Cache& cache_;
  client::EventSink& events_;
  const Clock& clock_;
};

}  // namespace orch::controllers
