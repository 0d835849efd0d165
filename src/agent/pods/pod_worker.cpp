#include "agent/pods/pod_worker.h"

#include <algorithm>

#include "agent/pods/container_log.h"
#include "agent/pods/pod_status.h"
#include "api/resources.h"
#include "base/files.h"
#include "base/log.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

// Steps of one sync: init containers that end at once could otherwise hold a thread for long.
constexpr int kMaxSteps = 50;
constexpr int kStatusTries = 3;
constexpr int64_t kStatusRetryS = 5;
constexpr int64_t kRetryS = 2;
constexpr size_t kMaxTerminationBytes = 4096;
constexpr size_t kMaxLogTailBytes = 2048;
constexpr int kMaxLogTailLines = 80;

int64_t version_of(const api::Value& object) {
  return parse_int(object["metadata"]["resourceVersion"].as_string()).value_or(0);
}

// Whether the record and the volumes have to know of the new object: not for every status.
bool differs_in_substance(const api::Value& before, const api::Value& after) {
  for (const char* member :
       {"labels", "annotations", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    if (before["metadata"][member] != after["metadata"][member]) return true;
  }
  return before["spec"] != after["spec"] || before["status"]["phase"] != after["status"]["phase"];
}

std::string exit_reason(const runtime::Exit& exit) {
  if (exit.unknown) return "ContainerStatusUnknown";
  if (exit.oom_killed) return "OOMKilled";
  return exit.code == 0 ? "Completed" : "Error";
}

}  // namespace

PodWorker::PodWorker(NodeContext& node, PodRecord record)
    : node_(node),
      uid_(pod_uid(record.pod)),
      shown_pod_(record.pod),
      shown_containers_(record.containers),
      record_(std::move(record)),
      server_pod_(record_.pod),
      record_dirty_(true) {}

void PodWorker::set_pod(api::Value pod) {
  const std::lock_guard lock(mutex_);
  mailbox_.pod = std::move(pod);
}

void PodWorker::set_gone() {
  const std::lock_guard lock(mutex_);
  mailbox_.gone = true;
}

void PodWorker::set_volumes_stale() {
  const std::lock_guard lock(mutex_);
  mailbox_.volumes_stale = true;
}

api::Value PodWorker::pod() const {
  const std::lock_guard lock(mutex_);
  return shown_pod_;
}

Result<PodWorker::LogFile> PodWorker::log_file(const std::string& container, bool previous) const {
  const std::lock_guard lock(mutex_);
  const auto found = shown_containers_.find(container);
  const auto* record = found == shown_containers_.end() ? nullptr
                       : previous ? (found->second.last ? &*found->second.last : nullptr)
                                  : (found->second.current ? &*found->second.current : nullptr);
  if (record == nullptr) {
    const auto& name = pod_name(shown_pod_);
    if (!find_container(shown_pod_, container)) {
      return bad_request("container " + container + " is not valid for pod " + name);
    }
    if (previous) {
      return bad_request("previous terminated container \"" + container + "\" in pod \"" + name +
                         "\" not found");
    }
    return bad_request("container \"" + container + "\" in pod \"" + name +
                       "\" is waiting to start: ContainerCreating");
  }
  return LogFile{log_dir() + "/" + container + "/" + std::to_string(record->attempt) + ".log",
                 !record->finished, record->id};
}

Result<std::string> PodWorker::running_container(const std::string& container) const {
  const std::lock_guard lock(mutex_);
  const auto found = shown_containers_.find(container);
  if (found == shown_containers_.end() || !found->second.running()) {
    return bad_request("container not found (\"" + container + "\")");
  }
  return found->second.current->id;
}

std::string PodWorker::log_dir() const {
  return node_.facts.log_dir + "/" + pod_namespace(shown_pod_) + "_" + pod_name(shown_pod_) + "_" +
         uid_;
}

void PodWorker::event(std::string_view type, std::string_view reason, const std::string& message,
                      const std::string& container) const {
  std::string field;
  api::Value about;  // What a reference is made of; jobs may report while the pod changes.
  {
    const std::lock_guard lock(mutex_);
    const auto spec = find_container(shown_pod_, container);
    const Kind kind = spec ? spec->kind : Kind::main;
    if (!container.empty()) {
      field = (kind == Kind::main        ? "spec.containers{"
               : kind == Kind::ephemeral ? "spec.ephemeralContainers{"
                                         : "spec.initContainers{") +
              container + "}";
    }
    about = api::Value::object({{"apiVersion", "v1"}, {"kind", "Pod"}});
    about.set("metadata", shown_pod_["metadata"]);
  }
  node_.events.event(about, type, reason, message, field);
}

void PodWorker::wake_at(WallTime at) { wake_at_ = wake_at_ ? std::min(*wake_at_, at) : at; }

void PodWorker::take_mail() {
  const std::lock_guard lock(mutex_);
  Mailbox mail = std::exchange(mailbox_, {});
  gone_ = gone_ || mail.gone;
  volumes_stale_ = volumes_stale_ || mail.volumes_stale;
  if (mail.volumes_stale) {  // What was missing may have come: try at once.
    setup_retry_at_.reset();
    for (auto& [container, failure] : failures_) failure.retry_at = WallTime{};
  }
  if (mail.pod && version_of(*mail.pod) >= version_of(server_pod_)) {
    const bool matters = differs_in_substance(server_pod_, *mail.pod);
    server_pod_ = std::move(*mail.pod);
    if (matters) {
      record_.pod = server_pod_;
      record_dirty_ = true;
      volumes_stale_ = true;  // Labels may stand in a downward API volume.
    }
  }
  for (auto& [container, state] : mail.images) {
    if (state.phase == ImageState::Phase::failed) {
      state.backoff_s = doubled_backoff_s(images_[container].backoff_s);
      state.retry_at = state.failed_at + std::chrono::seconds(state.backoff_s);
    }
    images_[container] = std::move(state);
  }
  for (const auto& id : mail.pre_stop_done) {
    for (auto& [container, stopping] : stopping_) {
      const auto& current = record_.containers[container].current;
      if (current && current->id == id) stopping.hook_until = WallTime{};
    }
  }
  for (const auto& [id, failure] : mail.post_start_done) {
    for (const auto& [container, history] : record_.containers) {
      if (!history.running() || history.current->id != id) continue;
      post_start_.erase(container);
      if (failure.empty()) continue;
      begin_kill({container, stop_grace_s(server_pod_), "FailedPostStartHook"});
    }
  }
}

PodWorker::Next PodWorker::sync() {
  wake_at_.reset();
  take_mail();
  api::Value pod = server_pod_;
  pod.set("status", newest_status(server_pod_["status"], status_));
  Observed observed = observe();
  bool all_stopped = false;
  for (int step = 0; step < kMaxSteps; ++step) {
    advance_kills(node_.clock.now());
    observed = observe();
    const PodActions actions = pod_actions(pod, observed);
    all_stopped = actions.all_stopped;
    if (actions.wake_at) wake_at(*actions.wake_at);
    if (record_dirty_) save_record(Flush::no);
    if (!act(actions)) break;
    if (step + 1 == kMaxSteps) wake_at(observed.now);
  }
  observed = observe();
  if (record_dirty_) save_record(Flush::no);
  const bool live = observed.sandbox_ready && stop_reason(pod, observed) == Stop::none;
  if (live && volumes_stale_) {
    if (const auto fresh = refresh_volumes(); !fresh.ok()) {
      wake_at(observed.now + std::chrono::seconds(kStatusRetryS));
    }
  }
  if (all_stopped && !cleaned_) {
    const auto cleaned = remove_sandbox();  // Volumes of a pod that has ended; logs stay.
    if (!cleaned) wake_at(observed.now + std::chrono::seconds(kRetryS));
    cleaned_ = cleaned;
  }
  if (!gone_) report_status(observed);
  if (!gone_ && record_unflushed_) save_record(Flush::yes);
  if (all_stopped && cleaned_ && !gone_ && is_deleted(server_pod_)) delete_object();
  if (all_stopped && cleaned_ && gone_) {
    if (const auto removed = remove_leftovers(); removed.ok()) return {true, std::nullopt};
    wake_at(observed.now + std::chrono::seconds(kRetryS));
  }
  return {false, wake_at_};
}

Observed PodWorker::observe() {
  Observed observed;
  observed.now = node_.clock.now();
  observed.gone = gone_;
  observed.setup_retry_at = setup_retry_at_;
  observed.host_ip = node_.facts.node_ip;
  const auto sandbox = node_.runtime.sandbox(uid_);
  observed.sandbox_exists = sandbox.ok();
  observed.sandbox_ready = sandbox.ok() && sandbox->ready;
  if (observed.sandbox_ready && !adopted_ && pod_ip_.empty() && !host_network(server_pod_)) {
    // From before a restart of orch. A sandbox without an address was never finished: made anew.
    const auto ip = node_.network.adopt(uid_, sandbox->netns_path);
    if (ip.ok()) pod_ip_ = ip->text();
    observed.sandbox_ready = ip.ok() || !node_.network.is_set_up();
  }
  adopted_ = adopted_ || !pod_ip_.empty();
  if (host_network(server_pod_)) pod_ip_ = node_.facts.node_ip;
  if (observed.sandbox_ready) observed.pod_ip = pod_ip_;

  for (const auto& container : containers_of(server_pod_)) {
    const std::string name = container.name();
    auto& history = record_.containers[name];
    if (history.running()) {
      runtime::Exit lost;
      lost.unknown = true;
      lost.code = 137;
      lost.finished_at = observed.now;
      const runtime::Exit* exit = &lost;
      if (sandbox.ok()) {
        for (const auto& state : sandbox->containers) {
          if (state.id != history.current->id) continue;
          exit = state.status == runtime::ContainerStatus::exited ? &state.exit : nullptr;
        }
      }
      if (exit != nullptr) {
        finish_record(&*history.current, *exit, *container.spec);
        tell_back_off(container, history);
      } else {
        watch_probes(container, *history.current);
      }
    }
    if (!history.running()) {
      stopping_.erase(name);
      post_start_.erase(name);
    }
    auto& seen = observed.containers[name];
    seen.history = history;
    seen.image = images_[name];
    if (const auto failure = failures_.find(name); failure != failures_.end()) {
      seen.failure = failure->second;
    }
    seen.stopping = stopping_.contains(name);
    if (history.running()) {
      const auto health = node_.prober.health(history.current->id);
      const bool hooked = post_start_.contains(name);
      seen.started = health.started && !hooked;
      seen.ready = health.ready && !hooked && !seen.stopping;
      seen.unhealthy = health.unhealthy;
    }
  }
  return observed;
}

void PodWorker::finish_record(ContainerRecord* record, const runtime::Exit& exit,
                              const api::Value& spec) {
  record->finished = true;
  record->exit_code = exit.code;
  record->signal = exit.signal;
  record->reason = exit_reason(exit);
  record->finished_at = exit.finished_at == WallTime{} ? node_.clock.now() : exit.finished_at;
  const std::string name = spec["name"].as_string();
  const std::string folder = dir() + "/containers/" + name + "/";
  auto message = read_file(folder + std::to_string(record->attempt), 1 << 20);
  record->message = message.ok() ? message->substr(0, kMaxTerminationBytes) : "";
  const bool fall_back = spec["terminationMessagePolicy"].as_string() == "FallbackToLogsOnError";
  if (record->message.empty() && fall_back && exit.code != 0) {
    const std::string log = log_dir() + "/" + name + "/" + std::to_string(record->attempt) + ".log";
    record->message = log_tail(log, kMaxLogTailLines, kMaxLogTailBytes);
  }
  if (exit.unknown) {
    record->message = "The container could not be located when the pod was terminated";
  }
  node_.prober.forget(record->id);
  // The record first: what it tells is lost with the container's files.
  save_record(Flush::no);
  if (const auto removed = node_.runtime.remove_container(record->id); !removed.ok()) {
    log::warning("pods", removed.status().message);
  }
  if (const auto unmounted = node_.images.unmount(record->id); !unmounted.ok()) {
    log::warning("pods", unmounted.status().message);
  }
}

void PodWorker::tell_back_off(const ContainerSpec& container, const ContainerHistory& history) {
  if (gone_ || is_deleted(server_pod_) || restart_due(history) <= node_.clock.now()) return;
  if (!should_restart(container.kind, restart_policy(server_pod_), *history.current)) return;
  event("Warning", "BackOff",
        "Back-off restarting failed container " + container.name() + " in pod " +
            pod_label(server_pod_),
        container.name());
}

// True when the world has changed so that there may be more to do at once.
bool PodWorker::act(const PodActions& actions) {
  if (actions.create_sandbox) return create_sandbox();
  for (const auto& kill : actions.kill) {
    event("Normal", "Killing", kill.message, kill.container);
    begin_kill(kill);
  }
  if (actions.remove_sandbox) return remove_sandbox();
  for (const auto& name : actions.pull) pull_image(*find_container(server_pod_, name));
  for (const auto& name : actions.start) start_container(*find_container(server_pod_, name));
  return !actions.start.empty() || !actions.kill.empty();
}

// Steps save for a restart of orch (Flush::no: a disk's flush would stand in the way of a start);
// the end of a sync saves for a power loss, too.
void PodWorker::save_record(Flush flush) {
  record_dirty_ = false;
  record_unflushed_ = flush == Flush::no;
  {
    const std::lock_guard lock(mutex_);
    shown_containers_ = record_.containers;
  }
  auto written = make_dirs(node_.facts.data_dir + "/records", 0700);
  if (written.ok()) {
    const std::string text = api::to_json(record_to_json(record_));
    written = flush == Flush::yes ? write_file_atomic(record_path(), text)
                                  : write_file_whole(record_path(), text);
  }
  if (written.ok()) return;
  log::error("pods", "record of " + pod_label(server_pod_) + ": " + written.status().message);
  record_dirty_ = true;
  wake_at(node_.clock.now() + std::chrono::seconds(kStatusRetryS));
}

void PodWorker::report_status(const Observed& observed) {
  const bool never_ours =
      std::all_of(record_.containers.begin(), record_.containers.end(),
                  [](const auto& entry) { return !entry.second.current.has_value(); });
  // It ended before this node's memory begins: what the API says of it is all there is.
  if (never_ours && is_terminal_phase(server_pod_["status"]["phase"].as_string())) return;
  api::Value pod = server_pod_;
  pod.set("status", newest_status(server_pod_["status"], status_));
  status_ = pod_status(pod, observed);
  pod.set("status", status_);
  {
    const std::lock_guard lock(mutex_);
    shown_pod_ = std::move(pod);
  }
  if (server_pod_["status"] == status_) return;
  if (const auto written = write_status(); !written.ok()) {
    if (written.status().not_found()) return;  // The watch will tell.
    log::warning("pods", "status of " + pod_label(server_pod_) + ": " + written.status().message);
    wake_at(observed.now + std::chrono::seconds(kStatusRetryS));
  }
}

Result<void> PodWorker::write_status() {
  const client::ObjectKey key{pod_namespace(server_pod_), pod_name(server_pod_)};
  for (int tries = 1;; ++tries) {
    api::Value object = server_pod_;
    object.set("status", newest_status(server_pod_["status"], status_));
    auto updated = node_.api.update(api::resource::pods(), object, "status");
    if (updated.ok()) {
      server_pod_ = std::move(*updated);
      return {};
    }
    if (!updated.status().conflict() || tries == kStatusTries) return updated.status();
    auto fresh = ORCH_TRY(node_.api.get(api::resource::pods(), key));
    if (pod_uid(fresh) != uid_) return not_found("another pod has this name now");
    server_pod_ = std::move(fresh);
  }
}

// The last word on a deleted pod: with grace 0 the API lets go of it.
void PodWorker::delete_object() {
  client::DeleteOptions options;
  options.uid = uid_;
  options.grace_s = 0;
  const client::ObjectKey key{pod_namespace(server_pod_), pod_name(server_pod_)};
  const auto removed = node_.api.remove(api::resource::pods(), key, options);
  if (removed.ok() || removed.status().not_found() || removed.status().conflict()) return;
  log::warning("pods", "delete of " + pod_label(server_pod_) + ": " + removed.status().message);
  wake_at(node_.clock.now() + std::chrono::seconds(kStatusRetryS));
}

}  // namespace orch::pods
