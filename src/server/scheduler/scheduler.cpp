// See scheduler.h. on_node and on_pod run on the cache's thread; choose_next and act on the
// scheduling thread; bind_pod on a binder. mutex_ is never held across a call of Api or Cache.
#include "server/scheduler/scheduler.h"

#include <algorithm>

#include "api/resources.h"
#include "base/log.h"
#include "server/scheduler/score.h"

namespace orch::scheduler {

using api::Value;
using client::Change;
using client::ObjectKey;
using orch::api::resource::nodes;
using orch::api::resource::pods;

namespace {

constexpr int kSyncWaitMs = 500;  // Between looks whether to stop, while the cache syncs.

bool is_finished(const Value& pod) {
  const std::string& phase = pod["status"]["phase"].as_string();
  return phase == "Succeeded" || phase == "Failed";
}

bool is_ours(const Value& pod) {
  const std::string& name = pod["spec"]["schedulerName"].as_string();
  return name.empty() || name == kSchedulerName;
}

}  // namespace

Scheduler::Scheduler(client::Api& api, client::Cache& cache, client::EventSink& events,
                     const Clock& clock)
    : api_(api), cache_(cache), events_(events), clock_(clock) {}

Scheduler::~Scheduler() { stop(); }

void Scheduler::watch() {
  node_changes_ = cache_.subscribe(nodes(), [this](const Change& change) { on_node(change); });
  pod_changes_ = cache_.subscribe(pods(), [this](const Change& change) { on_pod(change); });
}

void Scheduler::start() {
  binders_ = std::make_unique<TaskPool>(kBindThreads);
  watch();
  thread_ = std::thread([this] { work(); });
}

void Scheduler::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
  if (binders_) binders_->stop();
  node_changes_.reset();
  pod_changes_.reset();
}

// --- what the cache tells ---

void Scheduler::on_node(const Change& change) {
  if (change.type == Change::Type::deleted) {
    const std::lock_guard lock(mutex_);
    nodes_.erase(change.key.name);
    return;
  }
  NodeInfo node = parse_node(change.object());
  const std::lock_guard lock(mutex_);
  const auto it = nodes_.find(node.name);
  if (it == nodes_.end()) {
    NodeInfo& fresh = nodes_[node.name] = std::move(node);
    for (const auto& [key, pod] : assigned_) {
      if (pod.node != fresh.name) continue;
      fresh.requested.add(pod.requests);
      fresh.host_ports.insert(fresh.host_ports.end(), pod.host_ports.begin(), pod.host_ports.end());
      if (!pod.owner_uid.empty()) ++fresh.pods_of_owner[pod.owner_uid];
    }
  } else {
    if (it->second.same_node(node)) return;  // A heartbeat: nothing for us.
    node.requested = std::move(it->second.requested);
    node.host_ports = std::move(it->second.host_ports);
    node.pods_of_owner = std::move(it->second.pods_of_owner);
    it->second = std::move(node);
  }
  wake_unschedulable();
}

void Scheduler::on_pod(const Change& change) {
  const Value object = change.type == Change::Type::deleted ? Value() : change.object();
  const bool gone = object.is_null() || is_finished(object);
  const bool bound = !gone && !object["spec"]["nodeName"].empty();
  const bool waits =
      !gone && !bound && is_ours(object) && object["metadata"]["deletionTimestamp"].is_null();

  const std::lock_guard lock(mutex_);
  if (bound) {
    drop_pending(change.key);
    const auto it = assigned_.find(change.key);
    PodInfo pod = parse_pod(object);
    // Most changes of a running pod are its status; only a resize moves the sums.
    if (it != assigned_.end() && it->second.uid == pod.uid && it->second.node == pod.node &&
        it->second.requests == pod.requests)
      return;
    unassign(change.key);
    const std::string node = pod.node;
    assign(pod, node);
  } else if (waits) {
    // Its binding may be under way: the assumed pod stays until that has ended.
    if (const auto it = pending_.find(change.key);
        it != pending_.end() && it->second.place == Place::binding &&
        it->second.pod.uid == object["metadata"]["uid"].as_string())
      return;
    add_pending(parse_pod(object), !object["spec"]["schedulingGates"].empty());
  } else {
    drop_pending(change.key);
    if (!assigned_.contains(change.key)) return;
    unassign(change.key);
    wake_unschedulable();
  }
}

// --- bookkeeping, under mutex_ ---

void Scheduler::add_pending(PodInfo pod, bool gated) {
  Pending& pending = pending_[pod.key];
  if (std::get<1>(pending.turn) == 0) pending.turn = {-pod.priority, ++turns_, pod.key};
  const bool ungated = pending.place == Place::gated && !gated;
  const bool fresh = pending.pod.uid != pod.uid;
  pending.pod = std::move(pod);
  // An update of a pod that sleeps (its own PodScheduled condition, mostly) does not wake it.
  if (fresh || ungated || gated != (pending.place == Place::gated))
    place(&pending, gated ? Place::gated : Place::active);
}

void Scheduler::drop_pending(const ObjectKey& key) {
  const auto it = pending_.find(key);
  if (it == pending_.end()) return;
  active_.erase(it->second.turn);
  delayed_.erase({it->second.due, key});
  pending_.erase(it);
}

void Scheduler::place(Pending* pending, Place place) {
  active_.erase(pending->turn);
  delayed_.erase({pending->due, pending->pod.key});
  pending->place = place;
  if (place == Place::active || place == Place::gated) active_.insert(pending->turn);
  if (place == Place::delayed) delayed_.insert({pending->due, pending->pod.key});
  wake_.notify_one();
}

void Scheduler::assign(const PodInfo& pod, const std::string& node) {
  PodInfo& assigned = assigned_[pod.key] = pod;
  assigned.node = node;
  const auto it = nodes_.find(node);
  if (it == nodes_.end()) return;  // It will count when the node appears.
  it->second.requested.add(pod.requests);
  it->second.host_ports.insert(it->second.host_ports.end(), pod.host_ports.begin(),
                               pod.host_ports.end());
  if (!pod.owner_uid.empty()) ++it->second.pods_of_owner[pod.owner_uid];
}

void Scheduler::unassign(const ObjectKey& key) {
  const auto it = assigned_.find(key);
  if (it == assigned_.end()) return;
  const PodInfo pod = std::move(it->second);
  assigned_.erase(it);
  const auto node = nodes_.find(pod.node);
  if (node == nodes_.end()) return;
  NodeInfo& info = node->second;
  info.requested.subtract(pod.requests);
  for (const HostPort& port : pod.host_ports) {
    const auto taken =
        std::find_if(info.host_ports.begin(), info.host_ports.end(), [&](const HostPort& other) {
          return other.ip == port.ip && other.protocol == port.protocol && other.port == port.port;
        });
    if (taken != info.host_ports.end()) info.host_ports.erase(taken);
  }
  if (const auto owner = info.pods_of_owner.find(pod.owner_uid);
      owner != info.pods_of_owner.end() && --owner->second == 0)
    info.pods_of_owner.erase(owner);
}

void Scheduler::wake_unschedulable() {
  for (auto& [key, pending] : pending_) {
    if (pending.place == Place::unschedulable) place(&pending, Place::active);
    pending.move_requested = true;
  }
}

// --- the loop ---

void Scheduler::work() {
  while (!cache_.wait_synced(kSyncWaitMs)) {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
  }
  while (true) {
    {
      std::unique_lock lock(mutex_);
      while (!stopping_ && active_.empty() &&
             (delayed_.empty() || delayed_.begin()->first > clock_.monotonic())) {
        if (delayed_.empty())
          wake_.wait(lock);
        else
          wake_.wait_until(lock, delayed_.begin()->first);
      }
      if (stopping_) return;
    }
    if (const auto choice = choose_next()) act(*choice);
  }
}

void Scheduler::run_pending() {
  while (const auto choice = choose_next()) act(*choice);
}

// Takes the next pod and decides. Nothing when none waits.
std::optional<Scheduler::Choice> Scheduler::choose_next() {
  const std::lock_guard lock(mutex_);
  while (!delayed_.empty() && delayed_.begin()->first <= clock_.monotonic())
    place(&pending_.at(delayed_.begin()->second), Place::active);
  if (active_.empty()) return std::nullopt;
  Pending& pending = pending_.at(std::get<2>(*active_.begin()));
  active_.erase(active_.begin());
  if (pending.place == Place::gated) return Choice{pending.pod, "", "", {}};

  const MonoTime began = clock_.monotonic();
  std::vector<Verdict> verdicts;
  std::vector<const NodeInfo*> fitting;
  for (const auto& [name, node] : nodes_) {
    Verdict verdict = check_node(pending.pod, node);
    if (verdict.fits())
      fitting.push_back(&node);
    else
      verdicts.push_back(std::move(verdict));
  }
  pending.move_requested = false;
  if (fitting.empty()) {
    pending.place = Place::unschedulable;
    return Choice{pending.pod, "", render_unschedulable(verdicts), began};
  }
  const size_t start = std::get<1>(pending.turn) % fitting.size();
  const NodeInfo& best = *fitting[plan_best(pending.pod, fitting, start)];
  pending.place = Place::binding;
  Choice choice{pending.pod, best.name, "", began};
  assign(pending.pod, choice.node);
  return choice;
}

void Scheduler::act(const Choice& choice) {
  if (choice.node.empty() && choice.message.empty()) return report_gated(choice.pod.key);
  if (choice.node.empty()) {
    count(&attempts_.unschedulable, choice);
    return report_unschedulable(choice);
  }
  if (binders_ && binders_->run([this, choice] { bind_pod(choice); })) return;
  bind_pod(choice);
}

void Scheduler::count(Histogram* attempts, const Choice& choice) const {
  attempts->add(std::chrono::duration<double>(clock_.monotonic() - choice.began).count());
}

SchedulerMetrics Scheduler::metrics() const {
  SchedulerMetrics metrics{.attempts = attempts_};
  const std::lock_guard lock(mutex_);
  for (const auto& [key, pending] : pending_) {
    metrics.active += pending.place == Place::active;
    metrics.backoff += pending.place == Place::delayed;
    metrics.unschedulable += pending.place == Place::unschedulable;
    metrics.gated += pending.place == Place::gated;
  }
  return metrics;
}

void Scheduler::bind_pod(const Choice& choice) {
  const ObjectKey& key = choice.pod.key;
  const Value binding = Value::object(
      {{"apiVersion", "v1"},
       {"kind", "Binding"},
       {"metadata",
        Value::object({{"namespace", key.ns}, {"name", key.name}, {"uid", choice.pod.uid}})},
       {"target", Value::object({{"apiVersion", "v1"}, {"kind", "Node"}, {"name", choice.node}})}});
  const auto bound = api_.create_sub(pods(), key, "binding", binding);
  count(bound ? &attempts_.scheduled : &attempts_.error, choice);
  const Value reference =
      Value::object({{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", binding["metadata"]}});
  if (bound.ok()) {
    // The assumed pod stays until the cache shows it bound.
    events_.event(reference, "Normal", "Scheduled",
                  "Successfully assigned " + key.to_string() + " to " + choice.node);
    return;
  }
  log::warning("scheduler", "bind " + key.to_string() + ": " + bound.status().message);
  if (!bound.status().not_found())
    events_.event(reference, "Warning", "FailedScheduling",
                  "running Bind method: " + bound.status().message);
  const std::lock_guard lock(mutex_);
  const auto it = pending_.find(key);
  if (it == pending_.end() || it->second.pod.uid != choice.pod.uid ||
      it->second.place != Place::binding)
    return;  // Bound, replaced or gone meanwhile, whatever the answer said.
  unassign(key);
  if (bound.status().not_found()) return drop_pending(key);
  Pending& pending = it->second;
  const auto wait = std::min(kFirstRetry * (1 << std::min(pending.failures++, 4)), kLastRetry);
  pending.due = clock_.monotonic() + wait;
  place(&pending, Place::delayed);
}

void Scheduler::report_unschedulable(const Choice& choice) {
  const ObjectKey& key = choice.pod.key;
  const Value reference = Value::object(
      {{"apiVersion", "v1"},
       {"kind", "Pod"},
       {"metadata",
        Value::object({{"namespace", key.ns}, {"name", key.name}, {"uid", choice.pod.uid}})}});
  events_.event(reference, "Warning", "FailedScheduling", choice.message);
  set_condition(key, "Unschedulable", choice.message);
  const std::lock_guard lock(mutex_);
  const auto it = pending_.find(key);
  if (it != pending_.end() && it->second.place == Place::unschedulable && it->second.move_requested)
    place(&it->second, Place::active);  // What it lacked may have come while we wrote.
}

void Scheduler::report_gated(const ObjectKey& key) {
  set_condition(key, "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates");
}

// Condition PodScheduled=False. A failure is no harm: the event said it, the next try says it.
void Scheduler::set_condition(const ObjectKey& key, std::string_view reason,
                              std::string_view message) {
  const auto cached = cache_.get(pods(), key);
  if (!cached || !(*cached)["spec"]["nodeName"].empty()) return;
  Value pod = *cached;
  Value& conditions = pod["status"]["conditions"];
  if (conditions.is_null()) conditions = Value::array();
  Value* condition = nullptr;
  for (Value& each : conditions.array_items())
    if (each["type"].as_string() == "PodScheduled") condition = &each;
  if (condition == nullptr)
    condition = &conditions.push_back(
        Value::object({{"type", "PodScheduled"}, {"lastProbeTime", nullptr}}));
  if ((*condition)["reason"].as_string() == reason &&
      (*condition)["message"].as_string() == message)
    return;
  if ((*condition)["status"].as_string() != "False")
    condition->set("lastTransitionTime", format_time(clock_.now()));
  condition->set("status", "False");
  condition->set("reason", reason);
  condition->set("message", message);
  const auto updated = api_.update(pods(), pod, "status");
  if (!updated.ok() && !updated.status().conflict() && !updated.status().not_found())
    log::warning("scheduler", "status of " + key.to_string() + ": " + updated.status().message);
}

}  // namespace orch::scheduler
