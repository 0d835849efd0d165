#include "agent/pods/pod_actions.h"

#include <algorithm>

#include "base/time_spans.h"

namespace orch::pods {
namespace {

using std::chrono::seconds;

class Planner {
 public:
  Planner(const api::Value& pod, const Observed& observed)
      : pod_(pod),
        observed_(observed),
        policy_(restart_policy(pod)),
        containers_(containers_of(pod)) {}

  PodActions plan() {
    if (stop_reason(pod_, observed_) != Stop::none) {
      plan_stop();
      return std::move(actions_);
    }
    wake_for_deadline();
    if (!observed_.sandbox_ready) {
      plan_sandbox();
      return std::move(actions_);
    }
    // They are to help with a pod that does not come up, too.
    for (const auto& container : containers_) {
      if (container.kind == Kind::ephemeral) plan_container(container);
    }
    if (plan_inits()) {
      for (const auto& container : containers_) {
        if (container.kind == Kind::main) plan_container(container);
      }
    }
    return std::move(actions_);
  }

 private:
  void wake(WallTime at) {
    actions_.wake_at = actions_.wake_at ? std::min(*actions_.wake_at, at) : at;
  }

  void wake_for_deadline() {
    const auto started = time_at(pod_["status"], "startTime");
    const api::Value* deadline = pod_["spec"].find("activeDeadlineSeconds");
    if (started && deadline != nullptr) wake(later(*started, seconds(deadline->as_int())));
  }

  void plan_sandbox() {
    if (observed_.setup_retry_at && observed_.now < *observed_.setup_retry_at) {
      wake(*observed_.setup_retry_at);
      return;
    }
    actions_.create_sandbox = true;
  }

  void kill(const ContainerSpec& container, int64_t grace_s, std::string message) {
    if (observed_.of(container.name()).stopping) return;
    actions_.kill.push_back({container.name(), grace_s, std::move(message)});
  }

  // Main and init containers first, together; then the sidecars, the last one first.
  void plan_stop() {
    const int64_t grace_s = stop_grace_s(pod_);
    const auto message = [](const ContainerSpec& c) { return "Stopping container " + c.name(); };
    bool running = false;
    for (const auto& container : containers_) {
      if (container.kind == Kind::sidecar) continue;
      if (!observed_.of(container.name()).history.running()) continue;
      running = true;
      kill(container, grace_s, message(container));
    }
    if (running) return;
    for (auto container = containers_.rbegin(); container != containers_.rend(); ++container) {
      if (!observed_.of(container->name()).history.running()) continue;
      kill(*container, grace_s, message(*container));
      return;
    }
    actions_.remove_sandbox = observed_.sandbox_exists;
    actions_.all_stopped = !observed_.sandbox_exists;
  }

  // True when the main containers may run.
  bool plan_inits() {
    const bool main_began = std::any_of(containers_.begin(), containers_.end(), [&](const auto& c) {
      const auto& history = observed_.of(c.name()).history;
      return c.kind == Kind::main && history.current && !history.stale;
    });
    for (const auto& container : containers_) {
      const auto& seen = observed_.of(container.name());
      if (container.kind == Kind::init && !main_began) {
        const auto& current = seen.history.current;
        const bool done = current && current->finished && current->exit_code == 0;
        if (done && !seen.history.stale) continue;
        plan_container(container);
        return false;
      }
      if (container.kind == Kind::sidecar) {
        plan_container(container);
        if (!main_began && !seen.started) return false;
      }
    }
    return true;
  }

  void plan_container(const ContainerSpec& container) {
    const auto& seen = observed_.of(container.name());
    if (seen.history.running()) {
      plan_running(container, seen);
      return;
    }
    // A new sandbox needs its init containers again, whatever became of the old one's.
    const bool again = seen.history.stale && container.kind == Kind::init;
    const auto& current = seen.history.current;
    if (!again && current && !should_restart(container.kind, policy_, *current)) return;
    if (const WallTime due = restart_due(seen.history); observed_.now < due) {
      wake(due);
      return;
    }
    if (seen.failure && observed_.now < seen.failure->retry_at) {
      wake(seen.failure->retry_at);
      return;
    }
    plan_start(container, seen.image);
  }

  void plan_running(const ContainerSpec& container, const ContainerObserved& seen) {
    const std::string name = container.name();
    if (seen.history.current->image != container.image()) {
      kill(container, stop_grace_s(pod_),
           "Container " + name + " definition changed, will be restarted");
    } else if (!seen.unhealthy.empty()) {
      const auto& probe = (*container.spec)[seen.unhealthy + "Probe"];
      kill(container, probe["terminationGracePeriodSeconds"].as_int(stop_grace_s(pod_)),
           "Container " + name + " failed " + seen.unhealthy + " probe, will be restarted");
    }
  }

  void plan_start(const ContainerSpec& container, const ImageState& image) {
    switch (image.phase) {
      case ImageState::Phase::ready:
        actions_.start.push_back(container.name());
        return;
      case ImageState::Phase::pulling:
        return;  // Its end wakes us.
      case ImageState::Phase::failed:
        if (observed_.now < image.retry_at) {
          const WallTime shown_until = image.failed_at + seconds(kShowPullErrorS);
          wake(observed_.now < shown_until ? shown_until : image.retry_at);
          return;
        }
        [[fallthrough]];
      case ImageState::Phase::unknown:
        actions_.pull.push_back(container.name());
        return;
    }
  }

  const api::Value& pod_;
  const Observed& observed_;
  const RestartPolicy policy_;
  const std::vector<ContainerSpec> containers_;
  PodActions actions_;
};

bool ran_long(const ContainerRecord& record) {
  return record.started_at != WallTime{} &&
         record.finished_at - record.started_at >= seconds(kBackoffResetS);
}

bool deadline_exceeded(const api::Value& pod, WallTime now) {
  const api::Value* deadline = pod["spec"].find("activeDeadlineSeconds");
  const auto started = time_at(pod["status"], "startTime");
  return deadline != nullptr && started && now >= later(*started, seconds(deadline->as_int()));
}

// Every main container has ended for good, or an init container failed for good.
bool work_finished(const api::Value& pod, const Observed& observed) {
  const RestartPolicy policy = restart_policy(pod);
  bool mains_done = true;
  for (const auto& container : containers_of(pod)) {
    const auto& history = observed.of(container.name()).history;
    const bool ended = history.current && history.current->finished &&
                       !should_restart(container.kind, policy, *history.current);
    const bool failed = ended && history.current->exit_code != 0 && !history.stale;
    if (container.kind == Kind::init && failed) return true;
    if (container.kind == Kind::main) mains_done = mains_done && ended;
  }
  return mains_done;
}

}  // namespace

const ContainerObserved& Observed::of(const std::string& name) const {
  static const ContainerObserved nothing;
  const auto found = containers.find(name);
  return found == containers.end() ? nothing : found->second;
}

PodActions pod_actions(const api::Value& pod, const Observed& observed) {
  return Planner(pod, observed).plan();
}

Stop stop_reason(const api::Value& pod, const Observed& observed) {
  if (observed.gone || is_deleted(pod)) return Stop::deleted;
  if (is_terminal_phase(pod["status"]["phase"].as_string())) return Stop::finished;
  if (work_finished(pod, observed)) return Stop::finished;
  if (deadline_exceeded(pod, observed.now)) return Stop::deadline;
  return Stop::none;
}

bool should_restart(Kind kind, RestartPolicy policy, const ContainerRecord& record) {
  if (kind == Kind::sidecar) return true;
  if (kind == Kind::ephemeral) return false;
  if (kind == Kind::init) return record.exit_code != 0 && policy != RestartPolicy::never;
  if (policy == RestartPolicy::always) return true;
  return policy == RestartPolicy::on_failure && record.exit_code != 0;
}

WallTime restart_due(const ContainerHistory& history) {
  if (!history.current || !history.current->finished) return WallTime{};
  if (ran_long(*history.current)) return history.current->finished_at;
  return history.current->finished_at + seconds(history.backoff_s);
}

int64_t next_backoff_s(const ContainerHistory& history) {
  if (!history.current) return 0;
  return ran_long(*history.current) ? kFirstBackoffS : doubled_backoff_s(history.backoff_s);
}

int64_t doubled_backoff_s(int64_t backoff_s) {
  return std::clamp(backoff_s * 2, kFirstBackoffS, kMaxBackoffS);
}

}  // namespace orch::pods
