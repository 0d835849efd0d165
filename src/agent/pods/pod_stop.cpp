// PodWorker's ways down: hooks, signals, sandbox, leftovers.
#include <dirent.h>

#include <algorithm>
#include <climits>
#include <csignal>

#include "agent/pods/container_config.h"
#include "agent/pods/pod_worker.h"
#include "base/files.h"
#include "base/log.h"
#include "base/time_spans.h"

namespace orch::pods {
namespace {

// What a container gets at least between TERM and KILL, however long its hook took.
constexpr int64_t kMinTermS = 2;

}  // namespace

void PodWorker::begin_kill(const Kill& kill) {
  const WallTime now = node_.clock.now();
  Stopping stopping;
  stopping.since = now;
  stopping.deadline = later(now, std::chrono::seconds(kill.grace_s));
  stopping_.emplace(kill.container, stopping);
}

void PodWorker::begin_pre_stop(const ContainerSpec& container, const ContainerRecord& record,
                               Stopping* stopping) {
  stopping->hook_began = true;
  const auto& hook = (*container.spec)["lifecycle"]["preStop"];
  if (hook.is_null()) return;
  if (const auto* sleep = hook.find("sleep")) {
    stopping->hook_until =
        later(stopping->since, std::chrono::seconds((*sleep)["seconds"].as_int()));
    return;
  }
  stopping->hook_until = WallTime::max();  // Until it says that it is done.
  const int64_t grace_ms = std::min<int64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(stopping->deadline - stopping->since)
          .count(),
      INT_MAX);  // As poll(2) takes it: 24 days.
  const auto job = [self = shared_from_this(), target = target_of(*container.spec, record.id), hook,
                    grace_ms, name = container.name()] {
    const auto outcome = probes::run_probe(target, hook, grace_ms, self->exec());
    if (self->node_.is_stopping()) return;
    if (!outcome.success) {
      self->event("Warning", "FailedPreStopHook", "PreStopHook failed: " + outcome.message, name);
    }
    {
      const std::lock_guard lock(self->mutex_);
      self->mailbox_.pre_stop_done.insert(target.container_id);
    }
    self->node_.wake(self->uid_);
  };
  if (!node_.jobs.run(job)) stopping->hook_until.reset();
}

void PodWorker::advance_kills(WallTime now) {
  for (auto& [name, stopping] : stopping_) {
    const auto container = find_container(server_pod_, name);
    const auto& history = record_.containers[name];
    if (!container || !history.running()) continue;
    if (is_deleted(server_pod_) || gone_) {
      // A second delete may have shortened the grace.
      const auto latest = later(stopping.since, std::chrono::seconds(stop_grace_s(server_pod_)));
      stopping.deadline = std::min(stopping.deadline, latest);
    }
    const ContainerRecord& record = *history.current;
    if (!stopping.hook_began) {
      node_.prober.forget(record.id);
      begin_pre_stop(*container, record, &stopping);
    }
    const bool hooked = stopping.hook_until && now < *stopping.hook_until;
    if (hooked && now < stopping.deadline) {
      wake_at(std::min(*stopping.hook_until, stopping.deadline));
      continue;
    }
    Result<void> sent;
    if (!stopping.term_sent) {
      stopping.term_sent = true;
      const bool had_hook = stopping.hook_until.has_value();
      const auto least = now + std::chrono::seconds(had_hook ? kMinTermS : 0);
      stopping.deadline = std::max(stopping.deadline, least);
      const auto& text = record.stop_signal;
      sent = node_.runtime.kill(record.id, text.empty() ? SIGTERM : signal_number(text));
    } else if (!stopping.kill_sent && now >= stopping.deadline) {
      stopping.kill_sent = true;
      sent = node_.runtime.kill(record.id, SIGKILL);
    }
    if (!sent.ok()) log::warning("pods", "kill " + record.id + ": " + sent.status().message);
    if (!stopping.kill_sent) wake_at(stopping.deadline);
  }
}

// The sandbox with its network and volumes. Idempotent; false when it must be tried again.
bool PodWorker::remove_sandbox() {
  const auto remove = [&]() -> Result<void> {
    if (!host_network(server_pod_)) ORCH_TRY(node_.network.detach(uid_));
    ORCH_TRY(node_.runtime.remove_sandbox(uid_));
    ORCH_TRY(node_.volumes.tear_down(dir() + "/subpaths"));
    return node_.volumes.tear_down(dir() + "/volumes");
  };
  const auto removed = remove();
  if (removed.ok()) {
    pod_ip_.clear();
    volumes_.clear();
    volumes_stale_ = true;
    return true;
  }
  log::warning("pods", "stop " + pod_label(server_pod_) + ": " + removed.status().message);
  wake_at(node_.clock.now() + std::chrono::seconds(kMinTermS));
  return false;
}

Result<void> PodWorker::remove_leftovers() {
  // By what is there, not by the record: orch may have died between a mount and its note.
  for (const auto& container : node_.images.mounted()) {
    if (container.starts_with(uid_ + "_")) ORCH_TRY(node_.images.unmount(container));
  }
  ORCH_TRY(node_.volumes.tear_down(dir()));
  ORCH_TRY(remove_tree(log_dir()));
  return remove_tree(record_path());
}

// kubectl logs --previous reaches one run back; what is older goes, with its rotated files
// ("3.log", "3.log.20260102-030405").
void PodWorker::remove_old_logs(const std::string& container, uint32_t attempt) {
  const std::string folder = log_dir() + "/" + container + "/";
  const std::string prefix = std::to_string(attempt) + ".log";
  const std::unique_ptr<DIR, int (*)(DIR*)> logs(::opendir(folder.c_str()), ::closedir);
  while (const dirent* entry = logs ? ::readdir(logs.get()) : nullptr) {
    const std::string name = entry->d_name;
    if (!name.starts_with(prefix)) continue;
    const auto removed = remove_tree(folder + name);
    if (!removed.ok()) log::warning("pods", removed.status().message);
  }
  const auto words =
      remove_tree(dir() + "/containers/" + container + "/" + std::to_string(attempt));
  if (!words.ok()) log::warning("pods", words.status().message);
}

}  // namespace orch::pods
