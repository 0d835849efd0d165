// See node_lifecycle.h. Workers of the LoopRunner call it; keys are node names.
#include "server/controllers/node_lifecycle.h"

#include <algorithm>
#include <array>

#include "api/resources.h"
#include "base/time_spans.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;
namespace resource = api::resource;

namespace {

constexpr std::array kHeartbeatConditions = {"Ready", "MemoryPressure", "DiskPressure",
                                             "PIDPressure"};

constexpr std::string_view kNotReady = "node.kubernetes.io/not-ready";
constexpr std::string_view kUnreachable = "node.kubernetes.io/unreachable";

// Taints that this controller sets and removes, beside the two above.
struct ConditionTaint {
  std::string_view condition, key;
};
constexpr std::array kConditionTaints = {
    ConditionTaint{"MemoryPressure", "node.kubernetes.io/memory-pressure"},
    ConditionTaint{"DiskPressure", "node.kubernetes.io/disk-pressure"},
    ConditionTaint{"PIDPressure", "node.kubernetes.io/pid-pressure"},
    ConditionTaint{"NetworkUnavailable", "node.kubernetes.io/network-unavailable"},
};
constexpr std::string_view kUnschedulable = "node.kubernetes.io/unschedulable";

bool is_own_taint(const Value& taint) {
  const std::string& key = taint["key"].as_string();
  if (key == kNotReady || key == kUnreachable || key == kUnschedulable) return true;
  return std::any_of(kConditionTaints.begin(), kConditionTaints.end(),
                     [&](const ConditionTaint& each) { return each.key == key; });
}

// Conditions of a node that stopped reporting.
void set_unknown(Value* node, WallTime now) {
  Value& conditions = (*node)["status"]["conditions"];
  if (conditions.is_null()) conditions = Value::array();
  for (const char* type : kHeartbeatConditions) {
    Value* condition = nullptr;
    for (Value& each : conditions.array_items())
      if (each["type"].as_string() == type) condition = &each;
    if (condition == nullptr) {
      conditions.push_back(Value::object({{"type", type},
                                          {"status", "Unknown"},
                                          {"lastHeartbeatTime", format_time(now)},
                                          {"lastTransitionTime", format_time(now)},
                                          {"reason", "NodeStatusNeverUpdated"},
                                          {"message", "Kubelet never posted node status."}}));
    } else if ((*condition)["status"].as_string() != "Unknown") {
      condition->set("status", "Unknown");
      condition->set("lastTransitionTime", format_time(now));
      condition->set("reason", "NodeStatusUnknown");
      condition->set("message", "Kubelet stopped posting node status.");
    }
  }
}

Value plan_taints(const Value& node, WallTime now) {
  Value taints = Value::array();
  const api::Array& before = node["spec"]["taints"].items();
  for (const Value& taint : before)
    if (!is_own_taint(taint)) taints.push_back(taint);
  // A taint that stands keeps the time since when it stands: evictions count from it.
  const auto put = [&](std::string_view key, std::string_view effect) {
    for (const Value& taint : before)
      if (taint["key"].as_string() == key && taint["effect"].as_string() == effect) {
        taints.push_back(taint);
        return;
      }
    Value taint = Value::object({{"key", key}, {"effect", effect}});
    taint.set("timeAdded", format_time(now));
    taints.push_back(std::move(taint));
  };
  if (node["spec"]["unschedulable"].as_bool()) put(kUnschedulable, "NoSchedule");
  if (!condition_is(node, "Ready", "True")) {
    const auto key = condition_is(node, "Ready", "Unknown") ? kUnreachable : kNotReady;
    put(key, "NoSchedule");
    put(key, "NoExecute");
  }
  for (const ConditionTaint& each : kConditionTaints)
    if (condition_is(node, each.condition, "True")) put(each.key, "NoSchedule");
  return taints;
}

bool tolerates(const Value& toleration, const Value& taint) {
  const std::string& effect = toleration["effect"].as_string();
  if (!effect.empty() && effect != taint["effect"].as_string()) return false;
  const bool exists = toleration["operator"].as_string() == "Exists";
  if (toleration["key"].empty()) return exists;
  return toleration["key"] == taint["key"] &&
         (exists || toleration["value"].as_string() == taint["value"].as_string());
}

}  // namespace

Value plan_node(const Value& node, bool alive, WallTime now) {
  Value next = node;
  if (!alive) set_unknown(&next, now);
  Value taints = plan_taints(next, now);
  if (taints.empty()) {
    if (Value* spec = next.find("spec")) spec->remove("taints");
  } else {
    next["spec"].set("taints", std::move(taints));
  }
  return next;
}

std::optional<WallTime> eviction_time(const Value& pod, const Value& node) {
  std::optional<WallTime> soonest;
  for (const Value& taint : node["spec"]["taints"].items()) {
    if (taint["effect"].as_string() != "NoExecute") continue;
    bool tolerated = false, forever = true;
    int64_t shortest_s = INT64_MAX;
    for (const Value& toleration : pod["spec"]["tolerations"].items()) {
      if (!tolerates(toleration, taint)) continue;
      tolerated = true;
      const Value& seconds = toleration["tolerationSeconds"];
      if (seconds.is_null()) continue;
      forever = false;
      shortest_s = std::min(shortest_s, std::max<int64_t>(seconds.as_int(), 0));
    }
    if (tolerated && forever) continue;
    WallTime when = time_of(taint["timeAdded"]);
    if (tolerated) when = later(when, std::chrono::seconds(shortest_s));
    if (!soonest || when < *soonest) soonest = when;
  }
  return soonest;
}

std::optional<Cidr> plan_node_cidr(const Cidr& cluster, const std::vector<Cidr>& taken) {
  if (cluster.bits > kNodeCidrBits) return std::nullopt;
  const uint32_t count = uint32_t{1} << (kNodeCidrBits - cluster.bits);
  for (uint32_t i = 0; i < count; ++i) {
    const Cidr candidate{cluster.at(i << (32 - kNodeCidrBits)), kNodeCidrBits};
    if (std::none_of(taken.begin(), taken.end(),
                     [&](const Cidr& each) { return each.overlaps(candidate); }))
      return candidate;
  }
  return std::nullopt;
}

std::vector<client::Watch> NodeLifecycleController::watches() {
  // A pod that comes to a node may have to leave it at once, or find it gone.
  const auto pod_keys = [](const client::ChangedObject& changed) -> std::vector<ObjectKey> {
    if (changed.change().bytes.find("\"nodeName\"") == std::string_view::npos) return {};
    const std::string& node = changed.object()["spec"]["nodeName"].as_string();
    if (changed.deleted() || node.empty()) return {};
    if (!changed.added() && changed.previous()["spec"] == changed.object()["spec"]) return {};
    return {{"", node}};
  };
  return {client::watch_own(resource::nodes()), {&resource::pods(), pod_keys}};
}

// When the node last gave a sign of life: its Lease, or, without one, its status. Judged by when
// we first saw that sign.
MonoTime NodeLifecycleController::last_heartbeat(const std::string& node, const Value& object) {
  std::string value;
  if (const auto lease = cache_.get(resource::leases(), {kLeaseNamespace, node}))
    value = (*lease)["spec"]["renewTime"].as_string();
  if (const Value* ready = find_condition(object, "Ready");
      ready != nullptr && (*ready)["status"].as_string() != "Unknown")
    value += " " + (*ready)["lastHeartbeatTime"].as_string();
  const std::lock_guard lock(mutex_);
  const auto [it, fresh] = heartbeats_.try_emplace(node);
  if (fresh || it->second.value != value) it->second = {std::move(value), clock_.monotonic()};
  return it->second.seen;
}

Result<Requeue> NodeLifecycleController::reconcile(const ObjectKey& key) {
  const auto cached = cache_.get(resource::nodes(), key);
  if (!cached) return collect_pods(key.name);

  const bool has_cidr = !(*cached)["spec"]["podCIDR"].empty();
  const Value node = has_cidr ? *cached : ORCH_TRY(assign_cidr(*cached));
  const MonoTime dead_at = last_heartbeat(key.name, node) + kNodeMonitorGrace;
  const auto left = dead_at - clock_.monotonic();
  const bool alive = left.count() > 0;
  const bool was_ready = condition_is(node, "Ready", "True");
  const Value next = plan_node(node, alive, clock_.now());
  Value written = node;
  if (next["spec"] != node["spec"]) {
    Value tainted = node;
    tainted.set("spec", next["spec"]);
    written = ORCH_TRY(api_.update(resource::nodes(), tainted));
  }
  if (next["status"] != node["status"])
    ORCH_TRY(api_.update(resource::nodes(), with_status(written, next["status"]), "status"));
  if (was_ready && !alive)
    events_.event(node, "Normal", "NodeNotReady",
                  "Node " + key.name + " status is now: NodeNotReady");

  Requeue again =
      alive ? Requeue::after(std::chrono::ceil<std::chrono::milliseconds>(left)) : Requeue::never();
  if (condition_is(next, "Ready", "True") && next["spec"]["taints"].empty()) return again;
  const auto pods = cache_.list(resource::pods(), {"", "", "", "spec.nodeName", key.name});
  if (!alive) ORCH_TRY(mark_pods_not_ready(pods));
  return Requeue::sooner(again, ORCH_TRY(evict(next, pods)));
}

// One at a time, and remembering what was given: two new nodes never get the same range.
Result<Value> NodeLifecycleController::assign_cidr(const Value& node) {
  std::optional<Cidr> range;
  {
    const std::lock_guard lock(mutex_);
    std::vector<Cidr> taken;
    for (const Value& other : cache_.list(resource::nodes())) {
      if (const auto cidr = parse_cidr(other["spec"]["podCIDR"].as_string())) {
        taken.push_back(*cidr);
        given_.erase(name_of(other));
      }
    }
    for (const auto& [name, cidr] : given_)
      if (name != name_of(node)) taken.push_back(cidr);
    range = plan_node_cidr(cluster_cidr_, taken);
    if (range) given_[name_of(node)] = *range;
  }
  if (!range) {
    events_.event(node, "Normal", "CIDRNotAvailable",
                  "Node " + name_of(node) + " status is now: CIDRNotAvailable");
    return node;
  }
  Value next = node;
  next["spec"].set("podCIDR", range->text());
  next["spec"].set("podCIDRs", Value::array({range->text()}));
  return api_.update(resource::nodes(), next);
}

// Services must not send traffic to a node that nobody hears of.
Result<void> NodeLifecycleController::mark_pods_not_ready(const std::vector<Value>& pods) {
  for (const Value& pod : pods) {
    if (!is_ready(pod)) continue;
    Value marked = pod;
    for (Value& condition : marked["status"]["conditions"].array_items()) {
      if (condition["type"].as_string() != "Ready") continue;
      condition.set("status", "False");
      condition.set("lastTransitionTime", format_time(clock_.now()));
    }
    const auto updated = api_.update(resource::pods(), marked, "status");
    if (!updated.ok() && !updated.status().not_found()) return updated.status();
  }
  return {};
}

Result<Requeue> NodeLifecycleController::evict(const Value& node, const std::vector<Value>& pods) {
  Requeue again = Requeue::never();
  for (const Value& pod : pods) {
    if (is_deleting(pod)) continue;
    const auto when = eviction_time(pod, node);
    if (!when) continue;
    const auto left = time_between(clock_.now(), *when);
    if (left.count() > 0) {
      again = Requeue::sooner(again,
                              Requeue::after(std::chrono::ceil<std::chrono::milliseconds>(left)));
      continue;
    }
    const ObjectKey key = client::key_of(pod);
    events_.event(pod, "Normal", "TaintManagerEviction",
                  "Marking for deletion Pod " + key.to_string());
    client::DeleteOptions only_this;
    only_this.uid = uid_of(pod);
    const auto removed = api_.remove(resource::pods(), key, only_this);
    if (!removed.ok() && !removed.status().not_found()) return removed.status();
  }
  return again;
}

// Nobody will ever end the pods of a node that does not exist: they go without grace.
Result<Requeue> NodeLifecycleController::collect_pods(const std::string& node) {
  const auto pods = cache_.list(resource::pods(), {"", "", "", "spec.nodeName", node});
  {
    const std::lock_guard lock(mutex_);
    heartbeats_.erase(node);
    given_.erase(node);
  }
  if (pods.empty()) return Requeue::never();
  const auto live = api_.get(resource::nodes(), {"", node});
  if (live.ok()) return Requeue::never();  // The cache is behind; its change brings us back.
  if (!live.status().not_found()) return live.status();
  for (const Value& pod : pods) {
    client::DeleteOptions at_once;
    at_once.uid = uid_of(pod);
    at_once.grace_s = 0;
    const auto removed = api_.remove(resource::pods(), client::key_of(pod), at_once);
    if (!removed.ok() && !removed.status().not_found()) return removed.status();
  }
  return Requeue::never();
}

}  // namespace orch::controllers
