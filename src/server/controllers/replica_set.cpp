// See replica_set.h. Reads the cache, writes through the Api, remembers nothing: stop the process
// between any two lines and the next call finishes the work. Workers of the LoopRunner call it.
#include "server/controllers/replica_set.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "api/resources.h"
#include "base/strings.h"
#include "base/time_spans.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;
using orch::api::resource::pods;
using orch::api::resource::replica_sets;

namespace {

int64_t pod_deletion_cost(const Value& pod) {
  const std::string& text =
      pod["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"].as_string();
  return parse_int(text).value_or(0);
}

int phase_rank(const Value& pod) {
  const std::string& phase = pod["status"]["phase"].as_string();
  return phase == "Running" ? 2 : phase == "Unknown" ? 1 : 0;
}

int64_t restarts(const Value& pod) {
  int64_t most = 0;
  for (const Value& status : pod["status"]["containerStatuses"].items())
    most = std::max(most, status["restartCount"].as_int());
  return most;
}

// Pods that cost least to lose first: unassigned, pending, not ready, cheap by annotation, crowded
// on their node, ready most recently, restarted most, youngest.
void sort_by_loss(std::vector<const Value*>* pods) {
  std::map<std::string, int> crowd;
  for (const Value* pod : *pods) ++crowd[(*pod)["spec"]["nodeName"].as_string()];
  const auto rank = [&](const Value& pod) {
    const std::string& node = pod["spec"]["nodeName"].as_string();
    const bool ready = is_ready(pod);
    return std::tuple(!node.empty(), phase_rank(pod), ready, pod_deletion_cost(pod), -crowd[node],
                      ready ? -ready_since(pod).time_since_epoch().count() : 0, -restarts(pod),
                      -time_of(pod["metadata"]["creationTimestamp"]).time_since_epoch().count(),
                      name_of(pod));
  };
  std::sort(pods->begin(), pods->end(),
            [&](const Value* a, const Value* b) { return rank(*a) < rank(*b); });
}

bool has_template_labels(const Value& set, const Value& pod) {
  for (const auto& [name, value] : set["spec"]["template"]["metadata"]["labels"].members())
    if (pod["metadata"]["labels"][name] != value) return false;
  return true;
}

Value count_status(const Value& set, const std::vector<const Value*>& live, WallTime now,
                   Requeue* check_again) {
  const int64_t min_ready_s = set["spec"]["minReadySeconds"].as_int();
  int64_t labeled = 0, ready = 0, available = 0;
  for (const Value* pod : live) {
    labeled += has_template_labels(set, *pod);
    if (!is_ready(*pod)) continue;
    ++ready;
    if (is_available(*pod, min_ready_s, now)) {
      ++available;
      continue;
    }
    const auto left =
        time_between(now, later(ready_since(*pod), std::chrono::seconds(min_ready_s)));
    *check_again = Requeue::sooner(
        *check_again, Requeue::after(std::chrono::ceil<std::chrono::milliseconds>(left)));
  }
  Value status = Value::object({{"replicas", static_cast<int64_t>(live.size())}});
  if (labeled > 0) status.set("fullyLabeledReplicas", labeled);
  if (ready > 0) status.set("readyReplicas", ready);
  if (available > 0) status.set("availableReplicas", available);
  status.set("observedGeneration", set["metadata"]["generation"]);
  return status;
}

// Condition ReplicaFailure tells why the number of pods can't be reached, while it can't.
void set_failure(const Value& set, const Status* failure, std::string_view reason, WallTime now,
                 Value* status) {
  if (failure == nullptr) return;
  const Value* before = find_condition(set, "ReplicaFailure");
  status->set("conditions",
              Value::array({Value::object(
                  {{"type", "ReplicaFailure"},
                   {"status", "True"},
                   {"lastTransitionTime",
                    before != nullptr ? (*before)["lastTransitionTime"] : Value(format_time(now))},
                   {"reason", reason},
                   {"message", failure->message}})}));
}

}  // namespace

ReplicaPlan plan_replicas(const Value& set, const std::vector<Value>& pods, WallTime now) {
  ReplicaPlan plan;
  const auto selector = api::LabelSelector::from_object(set["spec"]["selector"]);
  std::vector<const Value*> live;
  for (const Value& pod : pods) {
    const bool matches = selector.ok() && selector->matches(api::labels_of(pod));
    const bool ours = is_controlled_by(pod, uid_of(set));
    if (ours && !matches && !is_deleting(pod)) {
      plan.release.push_back(&pod);
    } else if (is_active(pod) && matches) {
      if (!ours && (controller_of(pod) != nullptr || is_deleting(set))) continue;
      if (!ours) plan.adopt.push_back(&pod);
      live.push_back(&pod);
    }
  }
  plan.status = count_status(set, live, now, &plan.check_again);
  if (is_deleting(set)) return plan;
  const int64_t wanted = set["spec"]["replicas"].as_int(1);
  const int64_t surplus = static_cast<int64_t>(live.size()) - wanted;
  plan.missing = std::max<int64_t>(-surplus, 0);
  if (surplus > 0) {
    sort_by_loss(&live);
    plan.doomed.assign(live.begin(), live.begin() + surplus);
  }
  return plan;
}

Value pod_from_template(const Value& set) {
  const Value& pod_template = set["spec"]["template"];
  Value metadata =
      Value::object({{"generateName", name_of(set) + "-"}, {"namespace", namespace_of(set)}});
  for (const auto name : {"labels", "annotations", "finalizers"})
    if (!pod_template["metadata"][name].empty()) metadata.set(name, pod_template["metadata"][name]);
  metadata.set("ownerReferences", Value::array({controller_reference(set)}));
  return Value::object({{"apiVersion", "v1"},
                        {"kind", "Pod"},
                        {"metadata", std::move(metadata)},
                        {"spec", pod_template["spec"]}});
}

std::vector<client::Watch> ReplicaSetController::watches() {
  // Pods without a controller that match are adopted when their set runs next.
  const auto pod_keys = [](const client::ChangedObject& changed) {
    return controllers_of(changed, "ReplicaSet");
  };
  return {client::watch_own(replica_sets()), {&pods(), pod_keys}};
}

std::vector<Value> ReplicaSetController::pods_of(const Value& set) const {
  std::vector<Value> found = cache_.list(pods(), {namespace_of(set), uid_of(set), "", "", ""});
  const auto selector = api::LabelSelector::from_object(set["spec"]["selector"]);
  if (!selector.ok() || selector->everything() || is_deleting(set)) return found;
  for (Value& pod : cache_.list(pods(), {namespace_of(set), "", selector->to_string(), "", ""}))
    if (controller_of(pod) == nullptr) found.push_back(std::move(pod));
  return found;
}

Result<Requeue> ReplicaSetController::reconcile(const ObjectKey& key) {
  const auto set = cache_.get(replica_sets(), key);
  if (!set) return Requeue::never();  // Gone: the garbage collector takes its pods.

  const std::vector<Value> all = pods_of(*set);
  ReplicaPlan plan = plan_replicas(*set, all, clock_.now());
  ORCH_TRY(change_controller(*set, plan));
  const Result<void> created = create_pods(*set, std::min(plan.missing, kMaxBurst));
  const Result<void> deleted = delete_pods(*set, plan.doomed);
  set_failure(*set, created.ok() ? deleted.ok() ? nullptr : &deleted.status() : &created.status(),
              created.ok() ? "FailedDelete" : "FailedCreate", clock_.now(), &plan.status);
  if (plan.status != (*set)["status"])
    ORCH_TRY(api_.update(replica_sets(), with_status(*set, plan.status), "status"));
  ORCH_TRY(created);
  ORCH_TRY(deleted);
  if (plan.missing > kMaxBurst) return Requeue::after(std::chrono::milliseconds(0));
  return plan.check_again;
}

Result<void> ReplicaSetController::change_controller(const Value& set, const ReplicaPlan& plan) {
  for (const Value* pod : plan.adopt) {
    Value adopted = *pod;
    adopted["metadata"]["ownerReferences"].push_back(controller_reference(set));
    ORCH_TRY(api_.update(pods(), adopted));
  }
  for (const Value* pod : plan.release) {
    Value released = *pod;
    std::erase_if(released["metadata"]["ownerReferences"].array_items(),
                  [&](const Value& owner) { return owner["uid"].as_string() == uid_of(set); });
    ORCH_TRY(api_.update(pods(), released));
  }
  return {};
}

Result<void> ReplicaSetController::create_pods(const Value& set, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    auto pod = api_.create(pods(), pod_from_template(set));
    if (!pod.ok()) {
      events_.event(set, "Warning", "FailedCreate", "Error creating: " + pod.status().message);
      return std::move(pod).status();
    }
    events_.event(set, "Normal", "SuccessfulCreate", "Created pod: " + name_of(*pod));
  }
  return {};
}

Result<void> ReplicaSetController::delete_pods(const Value& set,
                                               const std::vector<const Value*>& doomed) {
  for (const Value* pod : doomed) {
    auto removed = api_.remove(
        pods(), client::key_of(*pod),
        {.uid = uid_of(*pod), .resource_version = "", .grace_s = std::nullopt, .propagation = ""});
    if (!removed.ok() && !removed.status().not_found()) {
      events_.event(set, "Warning", "FailedDelete", "Error deleting: " + removed.status().message);
      return removed;
    }
    events_.event(set, "Normal", "SuccessfulDelete", "Deleted pod: " + name_of(*pod));
  }
  return {};
}

}  // namespace orch::controllers
