#include "agent/pods/container_status.h"

#include "agent/pods/pod_actions.h"

namespace orch::pods {
namespace {

api::Value terminated(const ContainerRecord& record) {
  auto state = api::Value::object({{"exitCode", record.exit_code}});
  if (record.signal != 0) state.set("signal", record.signal);
  state.set("reason", record.reason);
  if (!record.message.empty()) state.set("message", record.message);
  // The schema writes null for a time that is not known.
  const bool started = record.started_at != WallTime{};
  state.set("startedAt", started ? api::Value(format_time(record.started_at)) : api::Value());
  state.set("finishedAt", format_time(record.finished_at));
  state.set("containerID", kContainerIdScheme + record.id);
  return api::Value::object({{"terminated", std::move(state)}});
}

api::Value waiting(const std::string& reason, const std::string& message = "") {
  auto state = api::Value::object({{"reason", reason}});
  if (!message.empty()) state.set("message", message);
  return api::Value::object({{"waiting", std::move(state)}});
}

api::Value image_failure(const ContainerStatusInput& input, const ImageState& image) {
  const bool fresh = input.observed.now < image.failed_at + std::chrono::seconds(kShowPullErrorS);
  if (fresh || image.reason != "ErrImagePull") return waiting(image.reason, image.message);
  return waiting("ImagePullBackOff", "Back-off pulling image \"" + input.container.image() +
                                         "\": " + image.reason + ": " + image.message);
}

// What stands between a container that does not run and its (next) start.
api::Value waiting_state(const ContainerStatusInput& input, const ContainerObserved& seen) {
  if (seen.image.phase == ImageState::Phase::failed) return image_failure(input, seen.image);
  if (seen.failure) return waiting(seen.failure->reason, seen.failure->message);
  if (input.has_init) return waiting("PodInitializing");
  return waiting("ContainerCreating");
}

api::Value crash_loop(const ContainerStatusInput& input, const ContainerHistory& history) {
  return waiting("CrashLoopBackOff", "back-off " + go_duration(history.backoff_s) +
                                         " restarting failed container=" + input.container.name() +
                                         " pod=" + pod_label(input.pod));
}

struct States {
  api::Value now, last;
};

States states_of(const ContainerStatusInput& input, const ContainerObserved& seen) {
  const auto& current = seen.history.current;
  const auto& last = seen.history.last;
  const api::Value before = last ? terminated(*last) : api::Value::object();
  if (!current) return {waiting_state(input, seen), before};
  if (!current->finished) {
    auto running = api::Value::object({{"startedAt", format_time(current->started_at)}});
    return {api::Value::object({{"running", std::move(running)}}), before};
  }
  const bool restarts =
      !input.stopping && should_restart(input.container.kind, restart_policy(input.pod), *current);
  if (!restarts) return {terminated(*current), before};
  if (input.observed.now < restart_due(seen.history)) {
    return {crash_loop(input, seen.history), terminated(*current)};
  }
  const bool held_up = seen.image.phase == ImageState::Phase::failed || seen.failure;
  if (held_up) return {waiting_state(input, seen), terminated(*current)};
  return {terminated(*current), before};
}

}  // namespace

api::Value container_status(const ContainerStatusInput& input) {
  const auto& seen = input.observed.of(input.container.name());
  const auto& current = seen.history.current;
  const bool init_done =
      input.container.kind == Kind::init && current && current->finished && current->exit_code == 0;
  auto states = states_of(input, seen);
  auto status = api::Value::object({{"name", input.container.name()}});
  status.set("state", std::move(states.now));
  status.set("lastState", std::move(states.last));
  const bool ephemeral = input.container.kind == Kind::ephemeral;  // Nothing asks if it is ready.
  status.set("ready", init_done || (seen.history.running() && seen.ready && !ephemeral));
  status.set("restartCount", current ? int64_t{current->attempt} : int64_t{0});
  status.set("image", current ? current->image : input.container.image());
  status.set("imageID", current ? current->image_id : "");
  if (current) status.set("containerID", kContainerIdScheme + current->id);
  if (!ephemeral) status.set("started", seen.history.running() && seen.started);
  return status;
}

}  // namespace orch::pods
