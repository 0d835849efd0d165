// The pure middle of the deployment controller: which ReplicaSets there should be, and how large.
// See deployment.h.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/strings.h"
#include "server/controllers/deployment.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::Requeue;

namespace {

constexpr int64_t kDefaultHistoryLimit = 10;

int64_t replicas_of(const Value& object) { return object["spec"]["replicas"].as_int(1); }
int64_t available_of(const Value& set) { return set["status"]["availableReplicas"].as_int(); }

int64_t annotation_number(const Value& object, const char* name, int64_t otherwise) {
  return parse_int(object["metadata"]["annotations"][name].as_string()).value_or(otherwise);
}
int64_t revision_of(const Value& set) { return annotation_number(set, kRevisionAnnotation, 0); }

// int or "25%" of `total`.
int64_t int_or_percent(const Value& value, int64_t total, bool round_up, int64_t otherwise) {
  if (value.is_int()) return value.as_int();
  const std::string& text = value.as_string();
  if (text.empty() || text.back() != '%') return otherwise;
  const int64_t percent = parse_int(text.substr(0, text.size() - 1)).value_or(0);
  return round_up ? (total * percent + 99) / 100 : total * percent / 100;
}

// The ReplicaSets of one Deployment while their sizes are planned.
class SetSizes {
 public:
  SetSizes(const Value& deployment, const std::vector<Value>& sets)
      : deployment_(deployment), bounds_(rollout_bounds(deployment)), sets_(sets) {
    std::sort(sets_.begin(), sets_.end(), [](const Value& a, const Value& b) {
      const auto age = [](const Value& set) {
        return std::pair(time_of(set["metadata"]["creationTimestamp"]), name_of(set));
      };
      return age(a) < age(b);
    });
    for (size_t i = 0; i < sets_.size() && fresh_ < 0; ++i)
      if (same_template(sets_[i]["spec"]["template"], deployment["spec"]["template"]))
        fresh_ = static_cast<int>(i);
  }

  Value* fresh() { return fresh_ < 0 ? nullptr : &sets_[fresh_]; }
  const std::vector<Value>& all() const { return sets_; }
  std::vector<Value*> old() {
    std::vector<Value*> out;
    for (size_t i = 0; i < sets_.size(); ++i)
      if (static_cast<int>(i) != fresh_) out.push_back(&sets_[i]);
    return out;
  }
  std::vector<Value*> active() {
    std::vector<Value*> out;
    for (Value& set : sets_)
      if (replicas_of(set) > 0) out.push_back(&set);
    return out;
  }
  int64_t total() const {
    int64_t sum = 0;
    for (const Value& set : sets_) sum += replicas_of(set);
    return sum;
  }
  int64_t max_total() const {
    const int64_t wanted = replicas_of(deployment_);
    return wanted > 0 ? wanted + bounds_.surge : 0;
  }

  // Sets the size and the annotations that remember for which scale it was chosen.
  bool resize(Value* set, int64_t replicas) {
    const int64_t before = replicas_of(*set);
    Value next = *set;
    next["spec"].set("replicas", replicas);
    annotate(&next);
    if (next == *set) return false;
    *set = std::move(next);
    if (before != replicas)
      scalings.push_back(std::string("Scaled ") + (replicas > before ? "up" : "down") +
                         " replica set " + name_of(*set) + " from " + std::to_string(before) +
                         " to " + std::to_string(replicas));
    return before != replicas;
  }
  void annotate(Value* set) const {
    Value& annotations = (*set)["metadata"]["annotations"];
    const int64_t wanted = replicas_of(deployment_);
    annotations.set(kDesiredReplicasAnnotation, std::to_string(wanted));
    annotations.set(kMaxReplicasAnnotation, std::to_string(wanted + bounds_.surge));
  }

  bool was_rescaled() {
    for (const Value* set : active())
      if (const int64_t desired = annotation_number(*set, kDesiredReplicasAnnotation, -1);
          desired >= 0 && desired != replicas_of(deployment_))
        return true;
    return false;
  }
  void plan_rescale();
  int64_t size_of_new() const;
  bool grow_new();
  void shrink_old();
  bool stop_old();

  std::vector<std::string> scalings;

 private:
  int64_t share(const Value& set) const;
  Value* only_active_or_latest();
  bool is_saturated(const Value& set) const;

  const Value& deployment_;
  const RolloutBounds bounds_;
  std::vector<Value> sets_;  // Oldest first.
  int fresh_ = -1;
};

Value* SetSizes::only_active_or_latest() {
  const std::vector<Value*> running = active();
  if (running.size() > 1) return nullptr;
  if (running.size() == 1) return running.front();
  return fresh() != nullptr ? fresh() : sets_.empty() ? nullptr : &sets_.back();
}

bool SetSizes::is_saturated(const Value& set) const {
  const int64_t wanted = replicas_of(deployment_);
  return replicas_of(set) == wanted && available_of(set) == wanted &&
         annotation_number(set, kDesiredReplicasAnnotation, -1) == wanted;
}

// By how much a set's size should change to keep its part of a Deployment of another size.
int64_t SetSizes::share(const Value& set) const {
  const int64_t size = replicas_of(set);
  if (replicas_of(deployment_) == 0) return -size;
  const int64_t before =
      annotation_number(set, kMaxReplicasAnnotation, set["status"]["replicas"].as_int());
  if (before == 0) return 0;
  const double now = static_cast<double>(size * (replicas_of(deployment_) + bounds_.surge));
  return std::llround(now / static_cast<double>(before)) - size;
}

// The Deployment was scaled, maybe in the middle of a rollout: every set keeps its proportion.
void SetSizes::plan_rescale() {
  const int64_t wanted = replicas_of(deployment_);
  if (Value* only = only_active_or_latest()) {
    resize(only, wanted);
    return;
  }
  if (fresh() != nullptr && is_saturated(*fresh())) {
    stop_old();
    return;
  }
  if (deployment_["spec"]["strategy"]["type"].as_string() == "Recreate") return;
  std::vector<Value*> running = active();
  if (running.empty()) return;  // Nothing was rolled out yet.
  const int64_t to_add = max_total() - total();
  // Largest first; of equals the newest when growing, the oldest when shrinking.
  if (to_add > 0) std::reverse(running.begin(), running.end());
  std::stable_sort(running.begin(), running.end(), [](const Value* a, const Value* b) {
    return replicas_of(*a) > replicas_of(*b);
  });
  std::vector<int64_t> sizes;
  int64_t added = 0;
  for (const Value* set : running) {
    const int64_t allowed = to_add - added;
    const int64_t part = to_add == 0  ? 0
                         : to_add > 0 ? std::min(share(*set), allowed)
                                      : std::max(share(*set), allowed);
    sizes.push_back(replicas_of(*set) + part);
    added += part;
  }
  sizes.front() = std::max<int64_t>(sizes.front() + to_add - added, 0);  // What rounding left.
  for (size_t i = 0; i < running.size(); ++i) resize(running[i], sizes[i]);
}

// How large the new set may be now.
int64_t SetSizes::size_of_new() const {
  const int64_t wanted = replicas_of(deployment_);
  const int64_t present = fresh_ < 0 ? 0 : replicas_of(sets_[fresh_]);
  if (deployment_["spec"]["strategy"]["type"].as_string() == "Recreate" || present >= wanted)
    return wanted;
  const int64_t room = wanted + bounds_.surge - total();
  return present + std::clamp<int64_t>(room, 0, wanted - present);
}

bool SetSizes::grow_new() { return resize(fresh(), size_of_new()); }

// Rolling update: takes old pods away as far as enough others are available; those that are not
// available themselves go first.
void SetSizes::shrink_old() {
  const int64_t min_available = replicas_of(deployment_) - bounds_.unavailable;
  const int64_t new_unavailable = replicas_of(*fresh()) - available_of(*fresh());
  int64_t may_go = total() - min_available - new_unavailable;
  if (may_go <= 0) return;
  std::map<Value*, int64_t> sizes;
  for (Value* set : old()) {
    const int64_t size = replicas_of(*set);
    const int64_t unhealthy =
        std::clamp<int64_t>(size - available_of(*set), 0, std::max<int64_t>(may_go, 0));
    sizes[set] = size - unhealthy;
    may_go -= unhealthy;
  }
  int64_t available = 0;
  for (const Value& set : sets_) available += available_of(set);
  int64_t healthy_may_go = std::max<int64_t>(available - min_available, 0);
  for (Value* set : old()) {
    const int64_t count = std::min(sizes[set], healthy_may_go);
    healthy_may_go -= count;
    if (sizes[set] - count != replicas_of(*set)) resize(set, sizes[set] - count);
  }
}

bool SetSizes::stop_old() {
  bool any = false;
  for (Value* set : old())
    if (replicas_of(*set) > 0) any = resize(set, 0) || any;
  return any;
}

// The Deployment's annotations that its ReplicaSets carry too.
Value inherited_annotations(const Value& deployment, const Value& before) {
  Value annotations = before.is_object() ? before : Value::object();
  for (const auto& [name, value] : deployment["metadata"]["annotations"].members())
    if (name != "kubectl.kubernetes.io/last-applied-configuration" &&
        !name.starts_with("deployment.kubernetes.io/") &&
        name != "deprecated.deployment.rollback.to")
      annotations.set(name, value);
  return annotations;
}

// Gives the new set its revision (one above all others), and the Deployment the same.
void update_new_set(const Value& deployment, int64_t revision, Value* set) {
  const Value& present = *set;
  Value annotations = inherited_annotations(deployment, present["metadata"]["annotations"]);
  const int64_t before = revision_of(present);
  if (before < revision) {
    if (before > 0) {
      const std::string& history =
          present["metadata"]["annotations"][kRevisionHistoryAnnotation].as_string();
      annotations.set(kRevisionHistoryAnnotation,
                      (history.empty() ? "" : history + ",") + std::to_string(before));
    }
    annotations.set(kRevisionAnnotation, std::to_string(revision));
  }
  const int64_t min_ready_s = deployment["spec"]["minReadySeconds"].as_int();
  if (present["spec"]["minReadySeconds"].as_int() != min_ready_s)
    (*set)["spec"].set("minReadySeconds", min_ready_s);
  (*set)["metadata"].set("annotations", std::move(annotations));
}

Value render_new_set(const Value& deployment, int64_t revision, int64_t replicas) {
  const Value& spec = deployment["spec"];
  const std::string hash =
      template_hash(spec["template"], deployment["status"]["collisionCount"].as_int());
  Value pod_template = spec["template"];
  pod_template["metadata"]["labels"].set(kTemplateHashLabel, hash);
  Value selector = spec["selector"];
  selector["matchLabels"].set(kTemplateHashLabel, hash);
  Value set = Value::object(
      {{"apiVersion", "apps/v1"},
       {"kind", "ReplicaSet"},
       {"metadata",
        Value::object({{"name", name_of(deployment) + "-" + hash},
                       {"namespace", namespace_of(deployment)},
                       {"labels", pod_template["metadata"]["labels"]},
                       {"annotations", Value::object()},
                       {"ownerReferences", Value::array({controller_reference(deployment)})}})},
       {"spec", Value::object({{"replicas", replicas},
                               {"selector", std::move(selector)},
                               {"template", std::move(pod_template)}})}});
  update_new_set(deployment, revision, &set);
  return set;
}

std::vector<Value> beyond_history(const Value& deployment, SetSizes* sets) {
  std::vector<Value> stale;
  for (const Value* set : sets->old())
    if (replicas_of(*set) == 0 && (*set)["status"]["replicas"].as_int() == 0 &&
        !is_deleting(*set) &&
        (*set)["metadata"]["generation"].as_int() <=
            (*set)["status"]["observedGeneration"].as_int())
      stale.push_back(*set);
  const int64_t limit = deployment["spec"]["revisionHistoryLimit"].as_int(kDefaultHistoryLimit);
  const int64_t excess = static_cast<int64_t>(stale.size()) - limit;
  std::sort(stale.begin(), stale.end(),
            [](const Value& a, const Value& b) { return revision_of(a) < revision_of(b); });
  stale.resize(std::max<int64_t>(excess, 0));
  return stale;
}

// Which sets there should be and how large; fills plan->create.
void plan_rollout(const Value& deployment, bool old_pods_run, SetSizes* sets,
                  DeploymentPlan* plan) {
  int64_t newest_old = 0;
  for (const Value* set : sets->old()) newest_old = std::max(newest_old, revision_of(*set));
  const int64_t revision = newest_old + 1;
  if (Value* fresh = sets->fresh()) update_new_set(deployment, revision, fresh);
  if (deployment["spec"]["paused"].as_bool() || sets->was_rescaled()) {
    sets->plan_rescale();
    return;
  }
  if (deployment["spec"]["strategy"]["type"].as_string() == "Recreate" &&
      (sets->stop_old() || old_pods_run))
    return;
  if (sets->fresh() == nullptr) {
    const int64_t replicas = sets->size_of_new();
    plan->create = render_new_set(deployment, revision, replicas);
    sets->annotate(&*plan->create);
    if (replicas > 0)
      sets->scalings.push_back("Scaled up replica set " + name_of(*plan->create) + " from 0 to " +
                               std::to_string(replicas));
  } else if (!sets->grow_new()) {
    sets->shrink_old();
  }
}

}  // namespace

RolloutBounds rollout_bounds(const Value& deployment) {
  const Value& strategy = deployment["spec"]["strategy"];
  if (strategy["type"].as_string() == "Recreate") return {0, replicas_of(deployment)};
  const Value& rolling = strategy["rollingUpdate"];
  const int64_t replicas = replicas_of(deployment);
  const Value quarter("25%");
  const auto bound = [&](const char* name, bool round_up) {
    return int_or_percent(rolling[name].is_null() ? quarter : rolling[name], replicas, round_up, 0);
  };
  RolloutBounds bounds{bound("maxSurge", true), bound("maxUnavailable", false)};
  if (bounds.surge == 0 && bounds.unavailable == 0) bounds.unavailable = 1;
  bounds.unavailable = std::min(bounds.unavailable, replicas);
  return bounds;
}

DeploymentPlan plan_deployment(const Value& deployment, const std::vector<Value>& sets,
                               bool old_pods_run, WallTime now) {
  DeploymentPlan plan;
  SetSizes sizes(deployment, sets);
  const StatusPlan status = plan_deployment_status(deployment, sizes.all(), sizes.fresh(), now);
  plan.status = status.status;
  plan.check_again = status.check_again;
  if (is_deleting(deployment)) return plan;

  plan_rollout(deployment, old_pods_run, &sizes, &plan);
  for (const Value& set : sizes.all()) {
    const auto before = std::find_if(
        sets.begin(), sets.end(), [&](const Value& each) { return uid_of(each) == uid_of(set); });
    if (set != *before) plan.update.push_back(set);
  }
  if (is_rolled_out(deployment, plan.status)) plan.remove = beyond_history(deployment, &sizes);
  const Value* fresh = plan.create ? &*plan.create : sizes.fresh();
  if (fresh != nullptr) {
    const Value& revision = (*fresh)["metadata"]["annotations"][kRevisionAnnotation];
    if (revision != deployment["metadata"]["annotations"][kRevisionAnnotation]) {
      plan.annotated = deployment;
      (*plan.annotated)["metadata"]["annotations"].set(kRevisionAnnotation, revision);
    }
  }
  plan.scalings = std::move(sizes.scalings);
  return plan;
}

}  // namespace orch::controllers
