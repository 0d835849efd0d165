#include "agent/probes/prober.h"

#include <algorithm>
#include <vector>

namespace orch::probes {
namespace {

constexpr Kind kKinds[] = {Kind::startup, Kind::readiness, Kind::liveness};

std::string timer_key(const std::string& container_id, Kind kind) {
  return "probe/" + container_id + "/" + kind_name(kind);
}

const api::Value& spec_of(const Watched& watched, Kind kind) {
  return watched.target.container[kind_field(kind)];
}

}  // namespace

Prober::Prober(Timers& timers, Clock& clock, Exec exec, Listener listener)
    : timers_(timers), clock_(clock), exec_(std::move(exec)), listener_(std::move(listener)) {}

void Prober::watch(Watched watched) {
  const std::lock_guard lock(mutex_);
  const std::string id = watched.target.container_id;
  if (stopped_ || entries_.contains(id)) return;
  auto entry = std::make_shared<Entry>();
  entry->watched = std::move(watched);
  entries_[id] = entry;
  const bool has_startup = !spec_of(entry->watched, Kind::startup).is_null();
  for (const Kind kind : kKinds) {
    if (spec_of(entry->watched, kind).is_null()) continue;
    entry->states[kind] = {};
    if (!has_startup || kind == Kind::startup) schedule(*entry, kind, true);
  }
}

void Prober::forget(const std::string& container_id) {
  const std::lock_guard lock(mutex_);
  entries_.erase(container_id);
  for (const Kind kind : kKinds) timers_.cancel(timer_key(container_id, kind));
}

Health Prober::health(const std::string& container_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(container_id);
  return found == entries_.end() ? Health{} : health_of(*found->second);
}

void Prober::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    for (const auto& [id, entry] : entries_) {
      for (const Kind kind : kKinds) timers_.cancel(timer_key(id, kind));
    }
  }
  pool_.stop();
}

Health Prober::health_of(const Entry& entry) {
  const auto verdict = [&](Kind kind, Verdict without) {
    const auto found = entry.states.find(kind);
    return found == entry.states.end() ? without : found->second.verdict;
  };
  Health health;
  health.started = verdict(Kind::startup, Verdict::passed) == Verdict::passed;
  health.ready = health.started && verdict(Kind::readiness, Verdict::passed) == Verdict::passed;
  if (verdict(Kind::startup, Verdict::passed) == Verdict::failed) health.unhealthy = "startup";
  if (verdict(Kind::liveness, Verdict::passed) == Verdict::failed) health.unhealthy = "liveness";
  return health;
}

// Under the lock. The first time counts from the container's start, so that a restart of orch
// neither repeats the delay nor skips it.
void Prober::schedule(const Entry& entry, Kind kind, bool first) {
  if (stopped_) return;
  const auto thresholds = thresholds_of(spec_of(entry.watched, kind));
  std::chrono::nanoseconds delay = std::chrono::seconds(thresholds.period_s);
  if (first) {
    const auto due = entry.watched.started_at + std::chrono::seconds(thresholds.initial_delay_s);
    delay = std::max(std::chrono::nanoseconds(0), due - clock_.now());
  }
  const std::string id = entry.watched.target.container_id;
  timers_.set_after(timer_key(id, kind), delay,
                    [this, id, kind] { pool_.run([this, id, kind] { probe(id, kind); }); });
}

void Prober::probe(const std::string& container_id, Kind kind) {
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(container_id);
    if (stopped_ || found == entries_.end()) return;
    entry = found->second;
  }
  const auto& spec = spec_of(entry->watched, kind);  // Never changes after watch().
  const int64_t timeout_ms = thresholds_of(spec).timeout_s * 1000;
  take_result(container_id, kind, run_probe(entry->watched.target, spec, timeout_ms, exec_));
}

void Prober::take_result(const std::string& container_id, Kind kind, Outcome outcome) {
  Report report;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(container_id);
    if (stopped_ || found == entries_.end()) return;
    Entry& entry = *found->second;
    const Health before = health_of(entry);
    auto& state = entry.states[kind];
    state = after_result(state, thresholds_of(spec_of(entry.watched, kind)), outcome.success);
    const Health after = health_of(entry);
    const bool over = kind == Kind::startup && state.verdict != Verdict::unknown;
    // A container that is given up is about to be killed: no more probes of it.
    if (!over && after.unhealthy.empty()) schedule(entry, kind, false);
    if (kind == Kind::startup && state.verdict == Verdict::passed) {
      for (const auto& [other, unused] : entry.states) {
        if (other != Kind::startup) schedule(entry, other, true);
      }
    }
    report = {entry.watched.pod_uid, entry.watched.target.container["name"].as_string(),
              container_id,          kind,
              std::move(outcome),    before != after};
  }
  listener_(report);
}

}  // namespace orch::probes
