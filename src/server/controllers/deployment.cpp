// The thin skin of the deployment controller: reads the cache, writes what plan_deployment says.
// Remembers nothing. Workers of the LoopRunner call it.
#include "server/controllers/deployment.h"

#include "api/resources.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;
using orch::api::resource::deployments;
using orch::api::resource::pods;
using orch::api::resource::replica_sets;

std::vector<client::Watch> DeploymentController::watches() {
  const auto set_keys = [](const client::ChangedObject& changed) {
    return controllers_of(changed, "Deployment");
  };
  // The end of a pod is what a Recreate waits for. Its ReplicaSet's name is the Deployment's with
  // the template's hash behind it.
  const auto pod_keys = [](const client::ChangedObject& changed) -> std::vector<ObjectKey> {
    if (!changed.deleted() && is_active(changed.object())) return {};
    const Value* owner = controller_of(changed.object());
    if (owner == nullptr || (*owner)["kind"].as_string() != "ReplicaSet") return {};
    const std::string& set = (*owner)["name"].as_string();
    const size_t dash = set.rfind('-');
    if (dash == std::string::npos) return {};
    return {{changed.key().ns, set.substr(0, dash)}};
  };
  return {client::watch_own(deployments()), {&replica_sets(), set_keys}, {&pods(), pod_keys}};
}

// The sets that the Deployment controls, with orphans that match its selector adopted.
Result<std::vector<Value>> DeploymentController::sets_of(const Value& deployment) {
  std::vector<Value> sets =
      cache_.list(replica_sets(), {namespace_of(deployment), uid_of(deployment), "", "", ""});
  std::erase_if(sets, [&](const Value& set) { return !is_controlled_by(set, uid_of(deployment)); });
  const auto selector = api::LabelSelector::from_object(deployment["spec"]["selector"]);
  if (is_deleting(deployment) || !selector.ok() || selector->everything()) return sets;
  for (const Value& orphan :
       cache_.list(replica_sets(), {namespace_of(deployment), "", selector->to_string(), "", ""})) {
    if (controller_of(orphan) != nullptr || is_deleting(orphan)) continue;
    Value adopted = orphan;
    adopted["metadata"]["ownerReferences"].push_back(controller_reference(deployment));
    sets.push_back(ORCH_TRY(api_.update(replica_sets(), adopted)));
  }
  return sets;
}

bool DeploymentController::old_pods_run(const Value& deployment,
                                        const std::vector<Value>& sets) const {
  if (deployment["spec"]["strategy"]["type"].as_string() != "Recreate") return false;
  for (const Value& set : sets) {
    if (same_template(set["spec"]["template"], deployment["spec"]["template"])) continue;
    for (const Value& pod : cache_.list(pods(), {namespace_of(set), uid_of(set), "", "", ""}))
      if (!is_finished(pod)) return true;
  }
  return false;
}

Result<Requeue> DeploymentController::reconcile(const ObjectKey& key) {
  const auto deployment = cache_.get(deployments(), key);
  if (!deployment) return Requeue::never();  // Gone: the garbage collector takes its sets.

  const std::vector<Value> sets = ORCH_TRY(sets_of(*deployment));
  DeploymentPlan plan =
      plan_deployment(*deployment, sets, old_pods_run(*deployment, sets), clock_.now());
  if (plan.create && !ORCH_TRY(create_set(*deployment, *plan.create)))
    return Requeue::never();  // The hash was taken; the status says so and brings us back.
  for (const Value& set : plan.update) ORCH_TRY(api_.update(replica_sets(), set));
  for (const std::string& scaling : plan.scalings)
    events_.event(*deployment, "Normal", "ScalingReplicaSet", scaling);
  for (const Value& set : plan.remove) {
    client::DeleteOptions only_this;
    only_this.uid = uid_of(set);
    const auto removed = api_.remove(replica_sets(), client::key_of(set), only_this);
    if (!removed.ok() && !removed.status().not_found()) return removed.status();
  }
  Value latest = *deployment;
  if (plan.annotated) latest = ORCH_TRY(api_.update(deployments(), *plan.annotated));
  if (plan.status != latest["status"])
    ORCH_TRY(api_.update(deployments(), with_status(latest, plan.status), "status"));
  return plan.check_again;
}

// False when another object has the name: then the collision is counted and another name is tried.
Result<bool> DeploymentController::create_set(const Value& deployment, const Value& set) {
  const auto created = api_.create(replica_sets(), set);
  if (created.ok()) return true;
  if (!created.status().already_exists()) {
    events_.event(
        deployment, "Warning", "ReplicaSetCreateError",
        "Failed to create new replica set \"" + name_of(set) + "\": " + created.status().message);
    return created.status();
  }
  // Our own set that the cache has not shown yet is no collision.
  const Value other = ORCH_TRY(api_.get(replica_sets(), client::key_of(set)));
  if (is_controlled_by(other, uid_of(deployment)) &&
      same_template(other["spec"]["template"], set["spec"]["template"]))
    return true;
  Value status = deployment["status"].is_object() ? deployment["status"] : Value::object();
  status.set("collisionCount", status["collisionCount"].as_int() + 1);
  ORCH_TRY(api_.update(deployments(), with_status(deployment, status), "status"));
  return false;
}

}  // namespace orch::controllers
