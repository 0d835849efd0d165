#include "agent/pods/pod_spec.h"

#include <algorithm>

namespace orch::pods {

const std::string& pod_uid(const api::Value& pod) { return pod["metadata"]["uid"].as_string(); }
const std::string& pod_name(const api::Value& pod) { return pod["metadata"]["name"].as_string(); }
const std::string& pod_namespace(const api::Value& pod) {
  return pod["metadata"]["namespace"].as_string();
}

std::string pod_label(const api::Value& pod) {
  return pod_name(pod) + "_" + pod_namespace(pod) + "(" + pod_uid(pod) + ")";
}

std::vector<ContainerSpec> containers_of(const api::Value& pod) {
  std::vector<ContainerSpec> all;
  for (const auto& spec : pod["spec"]["initContainers"].items()) {
    const bool sidecar = spec["restartPolicy"].as_string() == "Always";
    all.push_back({&spec, sidecar ? Kind::sidecar : Kind::init});
  }
  for (const auto& spec : pod["spec"]["containers"].items()) all.push_back({&spec, Kind::main});
  for (const auto& spec : pod["spec"]["ephemeralContainers"].items()) {
    all.push_back({&spec, Kind::ephemeral});
  }
  return all;
}

std::optional<ContainerSpec> find_container(const api::Value& pod, std::string_view name) {
  for (const auto& container : containers_of(pod)) {
    if (container.name() == name) return container;
  }
  return std::nullopt;
}

RestartPolicy restart_policy(const api::Value& pod) {
  const auto& text = pod["spec"]["restartPolicy"].as_string();
  if (text == "Never") return RestartPolicy::never;
  if (text == "OnFailure") return RestartPolicy::on_failure;
  return RestartPolicy::always;
}

bool is_terminal_phase(std::string_view phase) { return phase == "Succeeded" || phase == "Failed"; }

bool host_network(const api::Value& pod) { return pod["spec"]["hostNetwork"].as_bool(); }

bool is_deleted(const api::Value& pod) { return !pod["metadata"]["deletionTimestamp"].empty(); }

int64_t stop_grace_s(const api::Value& pod) {
  const int64_t of_spec = pod["spec"]["terminationGracePeriodSeconds"].as_int(30);
  const auto& of_deletion = pod["metadata"]["deletionGracePeriodSeconds"];
  return std::max<int64_t>(1, is_deleted(pod) ? of_deletion.as_int(of_spec) : of_spec);
}

std::optional<WallTime> time_at(const api::Value& object, std::string_view member) {
  WallTime time;
  if (!parse_time(object[member].as_string(), &time)) return std::nullopt;
  return time;
}

std::string go_duration(int64_t seconds) {
  const int64_t hours = seconds / 3600, minutes = seconds % 3600 / 60;
  std::string text;
  if (hours > 0) text += std::to_string(hours) + "h";
  if (hours > 0 || minutes > 0) text += std::to_string(minutes) + "m";
  return text + std::to_string(seconds % 60) + "s";
}

}  // namespace orch::pods
