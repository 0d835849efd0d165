// See disruption.h. Workers of the LoopRunner call it; selectors_ is the cache thread's.
#include "server/controllers/disruption.h"

#include <algorithm>

#include "api/resources.h"
#include "base/strings.h"
#include "base/time_spans.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;
namespace resource = api::resource;

namespace {

// "30%" of `whole`, rounded up, or the number itself.
int64_t share_of(const Value& share, int64_t whole) {
  if (!share.is_string()) return share.as_int();
  std::string_view digits = share.as_string();
  if (digits.ends_with('%')) digits.remove_suffix(1);
  constexpr int64_t kHundred = 100;
  return (parse_int(digits).value_or(0) * whole + kHundred - 1) / kHundred;
}

// The evicted pods that are on their way still.
struct Leaving {
  Value pods = Value::object();
  Requeue check_again = Requeue::never();
};

Leaving still_leaving(const Value& budget, const std::vector<Value>& pods, WallTime now) {
  Leaving leaving;
  const Value& noted = budget["status"]["disruptedPods"];
  for (const Value& pod : pods) {
    const Value& when = noted[name_of(pod)];
    if (when.is_null() || is_deleting(pod)) continue;
    const auto left = time_between(now, later(time_of(when), kEvictionTakes));
    if (left <= left.zero()) continue;
    leaving.pods.set(name_of(pod), when);
    const auto delay = std::chrono::ceil<std::chrono::milliseconds>(left);
    leaving.check_again = Requeue::sooner(leaving.check_again, Requeue::after(delay));
  }
  return leaving;
}

Value condition(const Value& budget, bool allowed, const char* reason, WallTime now) {
  const Value* old = find_condition(budget, "DisruptionAllowed");
  const char* status = allowed ? "True" : "False";
  const bool same = old != nullptr && (*old)["status"].as_string() == status;
  return Value::object(
      {{"type", "DisruptionAllowed"},
       {"status", status},
       {"observedGeneration", budget["metadata"]["generation"]},
       {"lastTransitionTime", same ? (*old)["lastTransitionTime"] : Value(format_time(now))},
       {"reason", reason},
       {"message", ""}});
}

bool looks_different(const Value& a, const Value& b) {
  return is_ready(a) != is_ready(b) || is_deleting(a) != is_deleting(b) ||
         is_finished(a) != is_finished(b) ||
         !(a["metadata"]["labels"] == b["metadata"]["labels"]) ||
         !(a["metadata"]["ownerReferences"] == b["metadata"]["ownerReferences"]);
}

}  // namespace

DisruptionPlan plan_disruption(const Value& budget, const std::vector<Value>& pods,
                               std::optional<int64_t> expected, WallTime now) {
  const Value& spec = budget["spec"];
  const Value& least = spec["minAvailable"];
  const bool by_count = least.is_int();
  const bool known = by_count || expected.has_value();
  const int64_t all = by_count ? static_cast<int64_t>(pods.size()) : expected.value_or(0);
  const int64_t desired = !spec["maxUnavailable"].is_null()
                              ? std::max<int64_t>(0, all - share_of(spec["maxUnavailable"], all))
                              : share_of(least, all);

  Leaving leaving = still_leaving(budget, pods, now);
  const auto healthy = std::count_if(pods.begin(), pods.end(), [&](const Value& pod) {
    return is_ready(pod) && !is_deleting(pod) && !leaving.pods.has(name_of(pod));
  });
  int64_t allowed = all > 0 && known ? std::max<int64_t>(0, healthy - desired) : 0;

  Value conditions = Value::array();
  for (const Value& other : budget["status"]["conditions"].items()) {
    if (other["type"].as_string() != "DisruptionAllowed") conditions.push_back(other);
  }
  const char* reason = !known ? "SyncFailed" : allowed > 0 ? "SufficientPods" : "InsufficientPods";
  conditions.push_back(condition(budget, allowed > 0, reason, now));
  Value status = Value::object({{"observedGeneration", budget["metadata"]["generation"]},
                                {"disruptionsAllowed", allowed},
                                {"currentHealthy", static_cast<int64_t>(healthy)},
                                {"desiredHealthy", desired},
                                {"expectedPods", all},
                                {"conditions", std::move(conditions)}});
  if (!leaving.pods.empty()) status.set("disruptedPods", std::move(leaving.pods));
  return {std::move(status), leaving.check_again};
}

DisruptionController::DisruptionController(client::Api& api, const client::Cache& cache,
                                           const api::Schema& schema, const Clock& clock)
    : api_(api),
      cache_(cache),
      clock_(clock),
      budgets_(*schema.find("policy", "v1", "poddisruptionbudgets")),
      workloads_{&resource::deployments(), &resource::replica_sets(),
                 schema.find("", "v1", "replicationcontrollers"),
                 schema.find("apps", "v1", "statefulsets")} {}

std::vector<client::Watch> DisruptionController::watches() {
  std::vector<client::Watch> all = {
      {&budgets_, [this](const auto& changed) { return on_budget(changed); }},
      {&resource::pods(), [this](const auto& changed) { return on_pod(changed); }}};
  for (const api::Resource* workload : workloads_) {
    all.push_back({workload, [this](const auto& changed) { return on_controller(changed); }});
  }
  return all;
}

std::vector<ObjectKey> DisruptionController::on_budget(const client::ChangedObject& changed) {
  if (changed.deleted()) {
    selectors_.erase(changed.key());
    return {};
  }
  const auto selector = api::LabelSelector::from_object(changed.object()["spec"]["selector"]);
  selectors_[changed.key()] = selector ? *selector : api::LabelSelector::nothing();
  return {changed.key()};
}

std::vector<ObjectKey> DisruptionController::on_pod(const client::ChangedObject& changed) const {
  if (selectors_.empty()) return {};
  const Value& now = changed.object();
  const Value& before = changed.previous();
  if (!changed.deleted() && !before.is_null() && !looks_different(now, before)) return {};
  std::vector<ObjectKey> keys;
  for (const auto& [key, selector] : selectors_) {
    if (key.ns != changed.key().ns) continue;
    if (selector.matches(api::labels_of(now)) ||
        (!before.is_null() && selector.matches(api::labels_of(before)))) {
      keys.push_back(key);
    }
  }
  return keys;
}

std::vector<ObjectKey> DisruptionController::on_controller(
    const client::ChangedObject& changed) const {
  std::vector<ObjectKey> keys;
  if (selectors_.empty()) return keys;
  const bool same = !changed.deleted() && !changed.previous().is_null() &&
                    changed.object()["spec"]["replicas"] == changed.previous()["spec"]["replicas"];
  if (same) return keys;
  for (const auto& [key, selector] : selectors_) {
    if (key.ns == changed.key().ns) keys.push_back(key);
  }
  return keys;
}

// The replicas of all that controls the pods, each counted once. A pod that nobody controls counts
// for none; of one whose controller has no replicas, nothing can be told.
std::optional<int64_t> DisruptionController::expected_of(const std::vector<Value>& pods) const {
  const auto find = [this](const Value& reference, const std::string& ns) {
    std::optional<Value> found;
    for (const api::Resource* workload : workloads_) {
      if (reference["kind"].as_string() != workload->kind) continue;
      found = cache_.get(*workload, {ns, reference["name"].as_string()});
      if (found && uid_of(*found) != reference["uid"].as_string()) found.reset();
    }
    return found;
  };
  std::map<std::string, int64_t> replicas;  // By the controller's uid.
  for (const Value& pod : pods) {
    const Value* reference = controller_of(pod);
    if (reference == nullptr) continue;
    auto controller = find(*reference, namespace_of(pod));
    if (!controller) return std::nullopt;
    // Of a deployment that rolls out, the sets' replicas are in motion; its own are what counts.
    if (const Value* above = controller_of(*controller)) {
      if (auto deployment = find(*above, namespace_of(pod))) controller = std::move(deployment);
    }
    replicas[uid_of(*controller)] = (*controller)["spec"]["replicas"].as_int(1);
  }
  int64_t sum = 0;
  for (const auto& [uid, count] : replicas) sum += count;
  return sum;
}

Result<Requeue> DisruptionController::reconcile(const ObjectKey& key) {
  auto budget = cache_.get(budgets_, key);
  if (!budget) return Requeue::never();
  std::vector<Value> pods;
  const auto selector = api::LabelSelector::from_object((*budget)["spec"]["selector"]);
  if (selector && !(*budget)["spec"]["selector"].is_null()) {
    pods = cache_.list(resource::pods(), {key.ns, "", selector->to_string(), "", ""});
  }
  std::erase_if(pods, [](const Value& pod) { return is_finished(pod); });
  DisruptionPlan plan = plan_disruption(*budget, pods, expected_of(pods), clock_.now());
  if (!((*budget)["status"] == plan.status)) {
    ORCH_TRY(api_.update(budgets_, with_status(*budget, std::move(plan.status)), "status"));
  }
  return plan.check_again;
}

}  // namespace orch::controllers
