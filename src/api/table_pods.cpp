// The cells of pods and nodes.
#include <algorithm>
#include <set>
#include <string>

#include "api/table_cells.h"
#include "base/strings.h"
#include "base/time_spans.h"

namespace orch::api {
namespace {

// ---- Pod ----

bool is_sidecar(const Value& pod, const std::string& init_name) {
  for (const Value& c : pod["spec"]["initContainers"].items())
    if (c["name"].as_string() == init_name) return c["restartPolicy"].as_string() == "Always";
  return false;
}

Value pod_ready(const Value& o, WallTime) {
  size_t ready = 0, total = o["spec"]["containers"].size();
  for (const Value& c : o["spec"]["initContainers"].items())
    if (c["restartPolicy"].as_string() == "Always") ++total;
  for (const Value& s : o["status"]["initContainerStatuses"].items())
    if (is_sidecar(o, s["name"].as_string()) && s["started"].as_bool() && s["ready"].as_bool())
      ++ready;
  for (const Value& s : o["status"]["containerStatuses"].items())
    if (s["ready"].as_bool() && s["state"].has("running")) ++ready;
  return std::to_string(ready) + "/" + std::to_string(total);
}

// Why a container that ended did: its reason, or its signal or exit code.
std::string ended(const Value& terminated) {
  if (!terminated["reason"].empty()) return terminated["reason"].as_string();
  if (terminated["signal"].as_int() != 0)
    return "Signal:" + std::to_string(terminated["signal"].as_int());
  return "ExitCode:" + std::to_string(terminated["exitCode"].as_int());
}

// "Init:..." while an init container stands in the way; "" when none does.
std::string init_status(const Value& o) {
  const Array& statuses = o["status"]["initContainerStatuses"].items();
  for (size_t i = 0; i < statuses.size(); ++i) {
    const Value& s = statuses[i];
    const Value& terminated = s["state"]["terminated"];
    if (terminated.is_object() && terminated["exitCode"].as_int() == 0) continue;
    if (is_sidecar(o, s["name"].as_string()) && s["started"].as_bool()) continue;
    if (terminated.is_object()) return "Init:" + ended(terminated);
    const std::string& waiting = s["state"]["waiting"]["reason"].as_string();
    if (!waiting.empty() && waiting != "PodInitializing") return "Init:" + waiting;
    return "Init:" + std::to_string(i) + "/" + std::to_string(o["spec"]["initContainers"].size());
  }
  return "";
}

std::string container_status(const Value& o, std::string reason) {
  bool has_running = false;
  const Array& statuses = o["status"]["containerStatuses"].items();
  for (auto s = statuses.rbegin(); s != statuses.rend(); ++s) {
    const Value& state = (*s)["state"];
    if (!state["waiting"]["reason"].empty())
      reason = state["waiting"]["reason"].as_string();
    else if (state["terminated"].is_object())
      reason = ended(state["terminated"]);
    else if ((*s)["ready"].as_bool() && state.has("running"))
      has_running = true;
  }
  if (reason == "Completed" && has_running)
    reason = condition_true(o, "Ready") ? "Running" : "NotReady";
  return reason;
}

Value pod_status(const Value& o, WallTime) {
  std::string reason = o["status"]["phase"].as_string();
  if (!o["status"]["reason"].empty()) reason = o["status"]["reason"].as_string();
  const Value* scheduled = condition(o, "PodScheduled");
  if (scheduled != nullptr && (*scheduled)["reason"].as_string() == "SchedulingGated")
    reason = "SchedulingGated";
  const std::string init = init_status(o);
  if (!init.empty()) reason = init;
  if (init.empty() || condition_true(o, "Initialized")) reason = container_status(o, reason);
  if (!o["metadata"]["deletionTimestamp"].is_null()) {
    const std::string& phase = o["status"]["phase"].as_string();
    if (o["status"]["reason"].as_string() == "NodeLost")
      reason = "Unknown";
    else if (phase != "Succeeded" && phase != "Failed")
      reason = "Terminating";
  }
  return reason;
}

Value pod_restarts(const Value& o, WallTime now) {
  const bool initializing = !init_status(o).empty() && !condition_true(o, "Initialized");
  int64_t restarts = 0;
  WallTime last{};
  const auto count = [&](const Value& s) {
    restarts += s["restartCount"].as_int();
    WallTime finished;
    if (parse_time(s["lastState"]["terminated"]["finishedAt"].as_string(), &finished))
      last = std::max(last, finished);
  };
  for (const Value& s : o["status"]["initContainerStatuses"].items())
    if (initializing || is_sidecar(o, s["name"].as_string())) count(s);
  for (const Value& s : o["status"]["containerStatuses"].items()) count(s);
  std::string text = std::to_string(restarts);
  if (restarts > 0 && last != WallTime{})
    text += " (" + human_duration(time_between(last, now)) + " ago)";
  return text;
}

Value pod_ip(const Value& o, WallTime) {
  const Array& ips = o["status"]["podIPs"].items();
  return or_none(ips.empty() ? o["status"]["podIP"].as_string() : ips[0]["ip"].as_string());
}

Value pod_readiness_gates(const Value& o, WallTime) {
  const Array& gates = o["spec"]["readinessGates"].items();
  if (gates.empty()) return "<none>";
  const auto open = std::count_if(gates.begin(), gates.end(), [&](const Value& gate) {
    return condition_true(o, gate["conditionType"].as_string());
  });
  return std::to_string(open) + "/" + std::to_string(gates.size());
}

// ---- Node ----

Value node_status(const Value& o, WallTime) {
  const Value* ready = condition(o, "Ready");
  std::string text = "Unknown";
  if (ready != nullptr) text = (*ready)["status"].as_string() == "True" ? "Ready" : "NotReady";
  if (o["spec"]["unschedulable"].as_bool()) text += ",SchedulingDisabled";
  return text;
}

Value node_roles(const Value& o, WallTime) {
  constexpr std::string_view prefix = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  for (const Value::Member& label : o["metadata"]["labels"].members()) {
    if (label.name.starts_with(prefix) && label.name.size() > prefix.size())
      roles.insert(label.name.substr(prefix.size()));
    else if (label.name == "kubernetes.io/role" && !label.value.empty())
      roles.insert(label.value.as_string());
  }
  return or_none(join({roles.begin(), roles.end()}, ","));
}

std::string node_address(const Value& o, std::string_view type) {
  for (const Value& a : o["status"]["addresses"].items())
    if (a["type"].as_string() == type) return a["address"].as_string();
  return "<none>";
}

Value node_internal_ip(const Value& o, WallTime) { return node_address(o, "InternalIP"); }
Value node_external_ip(const Value& o, WallTime) { return node_address(o, "ExternalIP"); }

constexpr Cell kPodCells[] = {
    {"pod_ready", pod_ready},
    {"pod_status", pod_status},
    {"pod_restarts", pod_restarts},
    {"pod_ip", pod_ip},
    {"pod_readiness_gates", pod_readiness_gates},
    {"node_status", node_status},
    {"node_roles", node_roles},
    {"node_internal_ip", node_internal_ip},
    {"node_external_ip", node_external_ip},
};

}  // namespace

std::span<const Cell> pod_cells() { return kPodCells; }

}  // namespace orch::api
