// What a Deployment says of its rollout: counts and conditions. Pure. See deployment.h.
#include <algorithm>

#include "base/time_spans.h"
#include "server/controllers/deployment.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::Requeue;

namespace {

constexpr int64_t kNoDeadline = INT32_MAX;  // progressDeadlineSeconds that never passes.

struct Condition {
  std::string type, status, reason, message;
};

void erase_condition(Value* status, std::string_view type) {
  Value* conditions = status->find("conditions");
  if (conditions == nullptr || !conditions->is_array()) return;
  std::erase_if(conditions->array_items(),
                [&](const Value& each) { return each["type"].as_string() == type; });
}

const Value* condition_in(const Value& status, std::string_view type) {
  for (const Value& each : status["conditions"].items())
    if (each["type"].as_string() == type) return &each;
  return nullptr;
}

// The same status and reason stand as they are; `touch` renews lastUpdateTime even so.
void put_condition(Value* status, const Condition& condition, WallTime now, bool touch = false) {
  const Value* before = condition_in(*status, condition.type);
  const bool same_status = before != nullptr && (*before)["status"].as_string() == condition.status;
  if (same_status && !touch && (*before)["reason"].as_string() == condition.reason) return;
  const std::string time = format_time(now);
  Value next = Value::object(
      {{"type", condition.type},
       {"status", condition.status},
       {"lastUpdateTime", time},
       {"lastTransitionTime", same_status ? (*before)["lastTransitionTime"] : Value(time)},
       {"reason", condition.reason},
       {"message", condition.message}});
  erase_condition(status, condition.type);
  (*status)["conditions"].push_back(std::move(next));
}

Value count_sets(const Value& deployment, const std::vector<Value>& sets, const Value* fresh) {
  int64_t wanted = 0, replicas = 0, ready = 0, available = 0;
  for (const Value& set : sets) {
    wanted += set["spec"]["replicas"].as_int(1);
    replicas += set["status"]["replicas"].as_int();
    ready += set["status"]["readyReplicas"].as_int();
    available += set["status"]["availableReplicas"].as_int();
  }
  const int64_t updated = fresh == nullptr ? 0 : (*fresh)["status"]["replicas"].as_int();
  Value status = Value::object({{"observedGeneration", deployment["metadata"]["generation"]}});
  const auto put = [&](const char* name, int64_t count) {
    if (count > 0) status.set(name, count);
  };
  put("replicas", replicas);
  put("updatedReplicas", updated);
  put("readyReplicas", ready);
  put("availableReplicas", available);
  put("unavailableReplicas", wanted - available);
  if (!deployment["status"]["conditions"].empty())
    status.set("conditions", deployment["status"]["conditions"]);
  if (deployment["status"].has("collisionCount"))
    status.set("collisionCount", deployment["status"]["collisionCount"]);
  return status;
}

int64_t number(const Value& status, const char* name) { return status[name].as_int(); }

bool has_progressed(const Value& before, const Value& after) {
  const auto old_replicas = [&](const Value& status) {
    return number(status, "replicas") - number(status, "updatedReplicas");
  };
  return number(after, "updatedReplicas") > number(before, "updatedReplicas") ||
         old_replicas(after) < old_replicas(before) ||
         number(after, "readyReplicas") > number(before, "readyReplicas") ||
         number(after, "availableReplicas") > number(before, "availableReplicas");
}

// Condition Progressing, and when to look at the deadline again.
Requeue put_progress(const Value& deployment, const Value* fresh, WallTime now, Value* status) {
  const int64_t deadline_s = deployment["spec"]["progressDeadlineSeconds"].as_int(kNoDeadline);
  if (deadline_s == kNoDeadline) {
    erase_condition(status, "Progressing");
    return Requeue::never();
  }
  const Value* current = condition_in(*status, "Progressing");
  const std::string reason = current == nullptr ? "" : (*current)["reason"].as_string();
  if (deployment["spec"]["paused"].as_bool()) {
    if (reason != "ProgressDeadlineExceeded")
      put_condition(status, {"Progressing", "Unknown", "DeploymentPaused", "Deployment is paused"},
                    now);
    return Requeue::never();
  }
  if (reason == "DeploymentPaused") {
    put_condition(status, {"Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed"},
                  now);
    return Requeue::after(std::chrono::seconds(deadline_s));
  }
  const std::string who = fresh == nullptr ? "Deployment \"" + name_of(deployment) + "\""
                                           : "ReplicaSet \"" + name_of(*fresh) + "\"";
  const bool was_complete = reason == "NewReplicaSetAvailable" &&
                            number(*status, "replicas") == number(*status, "updatedReplicas");
  if (was_complete) return Requeue::never();
  if (is_rolled_out(deployment, *status)) {
    put_condition(
        status,
        {"Progressing", "True", "NewReplicaSetAvailable", who + " has successfully progressed."},
        now);
    return Requeue::never();
  }
  const auto deadline = std::chrono::seconds(deadline_s);
  if (current == nullptr) {
    if (fresh == nullptr) return Requeue::never();  // The condition comes with the new set.
    put_condition(status,
                  {"Progressing", "True", "NewReplicaSetCreated",
                   "Created new replica set \"" + name_of(*fresh) + "\""},
                  now);
    return Requeue::after(deadline);
  }
  // A finished rollout is over as soon as a template without a full set of pods stands there.
  if (has_progressed(deployment["status"], *status) || reason == "NewReplicaSetAvailable") {
    put_condition(status, {"Progressing", "True", "ReplicaSetUpdated", who + " is progressing."},
                  now, true);
    return Requeue::after(deadline);
  }
  if (reason == "ProgressDeadlineExceeded") return Requeue::never();
  const auto left = time_between(now, later(time_of((*current)["lastUpdateTime"]), deadline));
  if (left.count() < 0) {
    put_condition(
        status,
        {"Progressing", "False", "ProgressDeadlineExceeded", who + " has timed out progressing."},
        now);
    return Requeue::never();
  }
  return Requeue::after(std::chrono::ceil<std::chrono::milliseconds>(left) +
                        std::chrono::seconds(1));
}

}  // namespace

bool is_rolled_out(const Value& deployment, const Value& status) {
  const int64_t wanted = deployment["spec"]["replicas"].as_int(1);
  return status["updatedReplicas"].as_int() == wanted && status["replicas"].as_int() == wanted &&
         status["availableReplicas"].as_int() == wanted;
}

StatusPlan plan_deployment_status(const Value& deployment, const std::vector<Value>& sets,
                                  const Value* fresh, WallTime now) {
  StatusPlan plan;
  plan.status = count_sets(deployment, sets, fresh);
  const int64_t enough =
      deployment["spec"]["replicas"].as_int(1) - rollout_bounds(deployment).unavailable;
  if (number(plan.status, "availableReplicas") >= enough)
    put_condition(
        &plan.status,
        {"Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability."},
        now);
  else
    put_condition(&plan.status,
                  {"Available", "False", "MinimumReplicasUnavailable",
                   "Deployment does not have minimum availability."},
                  now);
  plan.check_again = put_progress(deployment, fresh, now, &plan.status);
  const Value* failure = nullptr;
  for (const Value& set : sets)
    if (const Value* each = find_condition(set, "ReplicaFailure"))
      if (failure == nullptr || &set == fresh) failure = each;
  if (failure == nullptr)
    erase_condition(&plan.status, "ReplicaFailure");
  else
    put_condition(&plan.status,
                  {"ReplicaFailure", (*failure)["status"].as_string(),
                   (*failure)["reason"].as_string(), (*failure)["message"].as_string()},
                  now);
  return plan;
}

}  // namespace orch::controllers
