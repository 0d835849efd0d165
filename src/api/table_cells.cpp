// The cells of `kubectl get` that a path can't say, one function each; names stand in the schema.
#include <algorithm>
#include <map>
#include <set>

#include "api/selector.h"
#include "api/table.h"
#include "base/strings.h"

namespace orch::api {

namespace {

constexpr size_t kMaxListed = 3;  // "a,b,c + 2 more..."

std::string or_none(std::string text) { return text.empty() ? "<none>" : text; }

std::string age_of(const Value& time, WallTime now) {
  WallTime then;
  if (!parse_time(time.as_string(), &then)) return "<unknown>";
  return human_duration(now - then);
}

std::string first_few(const std::vector<std::string>& all) {
  const size_t shown = std::min(all.size(), kMaxListed);
  std::string out = join({all.begin(), all.begin() + static_cast<ptrdiff_t>(shown)}, ",");
  if (all.size() > shown) out += " + " + std::to_string(all.size() - shown) + " more...";
  return out;
}

const Value* condition(const Value& object, std::string_view type) {
  for (const Value& c : object["status"]["conditions"].items())
    if (c["type"].as_string() == type) return &c;
  return nullptr;
}

bool condition_true(const Value& object, std::string_view type) {
  const Value* c = condition(object, type);
  return c != nullptr && (*c)["status"].as_string() == "True";
}

Value age(const Value& o, WallTime now) { return age_of(o["metadata"]["creationTimestamp"], now); }

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
  if (restarts > 0 && last != WallTime{}) text += " (" + human_duration(now - last) + " ago)";
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

// ---- Service and its endpoints ----

Value service_cluster_ip(const Value& o, WallTime) {
  const Array& ips = o["spec"]["clusterIPs"].items();
  return or_none(ips.empty() ? o["spec"]["clusterIP"].as_string() : ips[0].as_string());
}

Value service_external_ip(const Value& o, WallTime) {
  const std::string& type = o["spec"]["type"].as_string();
  if (type == "ExternalName") return o["spec"]["externalName"];
  std::vector<std::string> ips;
  if (type == "LoadBalancer") {
    std::set<std::string> addresses;
    for (const Value& i : o["status"]["loadBalancer"]["ingress"].items())
      addresses.insert((i["ip"].empty() ? i["hostname"] : i["ip"]).as_string());
    ips.assign(addresses.begin(), addresses.end());
  }
  for (const Value& ip : o["spec"]["externalIPs"].items()) ips.push_back(ip.as_string());
  if (ips.empty()) return type == "LoadBalancer" ? "<pending>" : "<none>";
  return join(ips, ",");
}

Value service_ports(const Value& o, WallTime) {
  std::vector<std::string> ports;
  for (const Value& p : o["spec"]["ports"].items()) {
    std::string text = std::to_string(p["port"].as_int());
    if (p["nodePort"].as_int() > 0) text += ":" + std::to_string(p["nodePort"].as_int());
    ports.push_back(text + "/" + p["protocol"].as_string());
  }
  return or_none(join(ports, ","));
}

Value service_selector(const Value& o, WallTime) {
  std::map<std::string, std::string> labels;
  for (const Value::Member& m : o["spec"]["selector"].members())
    labels[m.name] = m.value.as_string();
  std::vector<std::string> parts;
  for (const auto& [key, value] : labels) parts.push_back(key + "=" + value);
  return or_none(join(parts, ","));
}

Value endpoints(const Value& o, WallTime) {
  std::vector<std::string> all;
  for (const Value& subset : o["subsets"].items()) {
    if (subset["ports"].empty())
      for (const Value& a : subset["addresses"].items()) all.push_back(a["ip"].as_string());
    for (const Value& port : subset["ports"].items())
      for (const Value& a : subset["addresses"].items())
        all.push_back(a["ip"].as_string() + ":" + std::to_string(port["port"].as_int()));
  }
  return or_none(first_few(all));
}

Value slice_ports(const Value& o, WallTime) {
  std::vector<std::string> all;
  for (const Value& p : o["ports"].items()) {
    if (p.has("port"))
      all.push_back(std::to_string(p["port"].as_int()));
    else
      all.push_back(p["name"].empty() ? "*" : p["name"].as_string());
  }
  return all.empty() ? Value("<unset>") : Value(first_few(all));
}

Value slice_endpoints(const Value& o, WallTime) {
  std::vector<std::string> all;
  for (const Value& e : o["endpoints"].items())
    for (const Value& a : e["addresses"].items()) all.push_back(a.as_string());
  return all.empty() ? Value("<unset>") : Value(first_few(all));
}

// ---- Workloads ----

Value deployment_ready(const Value& o, WallTime) {
  return std::to_string(o["status"]["readyReplicas"].as_int()) + "/" +
         std::to_string(o["spec"]["replicas"].as_int());
}

std::string of_template_containers(const Value& o, std::string_view field) {
  std::vector<std::string> parts;
  for (const Value& c : o["spec"]["template"]["spec"]["containers"].items())
    parts.push_back(c[field].as_string());
  return join(parts, ",");
}

Value container_names(const Value& o, WallTime) { return of_template_containers(o, "name"); }
Value container_images(const Value& o, WallTime) { return of_template_containers(o, "image"); }

Value selector(const Value& o, WallTime) {
  const Value& spec = o["spec"]["selector"];
  if (spec.is_null()) return "<none>";
  const auto parsed = LabelSelector::from_object(spec);
  return parsed ? or_none(parsed->to_string()) : "<error>";
}

// ---- Event ----

// events.k8s.io/v1 and core/v1 tell the same thing in other words.
const Value& either(const Value& o, std::string_view core, std::string_view events) {
  return o[core].is_null() ? o[events] : o[core];
}

Value event_first_seen(const Value& o, WallTime now) {
  const Value& first = either(o, "firstTimestamp", "deprecatedFirstTimestamp");
  return age_of(first.is_null() ? o["eventTime"] : first, now);
}

Value event_last_seen(const Value& o, WallTime now) {
  if (o["series"].is_object()) return age_of(o["series"]["lastObservedTime"], now);
  const Value& last = either(o, "lastTimestamp", "deprecatedLastTimestamp");
  return last.is_null() ? event_first_seen(o, now) : Value(age_of(last, now));
}

Value event_object(const Value& o, WallTime) {
  const Value& about = either(o, "involvedObject", "regarding");
  std::string text = to_lower(about["kind"].as_string());
  if (!about["name"].empty()) text += "/" + about["name"].as_string();
  return text;
}

Value event_subobject(const Value& o, WallTime) {
  return either(o, "involvedObject", "regarding")["fieldPath"].as_string();
}

Value event_source(const Value& o, WallTime) {
  const Value& source = either(o, "source", "deprecatedSource");
  const auto first = [](const Value& a, const Value& b) { return (a.empty() ? b : a).as_string(); };
  const std::string host = first(source["host"], o["reportingInstance"]);
  const Value& reporter = either(o, "reportingComponent", "reportingController");
  const std::string component = first(source["component"], reporter);
  return host.empty() ? component : component + ", " + host;
}

Value event_message(const Value& o, WallTime) {
  return trim(either(o, "message", "note").as_string());
}

Value event_count(const Value& o, WallTime) {
  if (o["series"].is_object()) return o["series"]["count"].as_int();
  return std::max<int64_t>(1, either(o, "count", "deprecatedCount").as_int());
}

// ---- Sizes ----

Value data_count(const Value& o, WallTime) {
  return static_cast<int64_t>(o["data"].size() + o["binaryData"].size());
}
Value secrets_count(const Value& o, WallTime) { return static_cast<int64_t>(o["secrets"].size()); }

const std::map<std::string_view, CellFunction>& cell_functions() {
  static const std::map<std::string_view, CellFunction> functions{
      {"age", age},
      {"pod_ready", pod_ready},
      {"pod_status", pod_status},
      {"pod_restarts", pod_restarts},
      {"pod_ip", pod_ip},
      {"pod_readiness_gates", pod_readiness_gates},
      {"node_status", node_status},
      {"node_roles", node_roles},
      {"node_internal_ip", node_internal_ip},
      {"node_external_ip", node_external_ip},
      {"service_cluster_ip", service_cluster_ip},
      {"service_external_ip", service_external_ip},
      {"service_ports", service_ports},
      {"service_selector", service_selector},
      {"endpoints", endpoints},
      {"slice_ports", slice_ports},
      {"slice_endpoints", slice_endpoints},
      {"deployment_ready", deployment_ready},
      {"container_names", container_names},
      {"container_images", container_images},
      {"selector", selector},
      {"event_first_seen", event_first_seen},
      {"event_last_seen", event_last_seen},
      {"event_object", event_object},
      {"event_subobject", event_subobject},
      {"event_source", event_source},
      {"event_message", event_message},
      {"event_count", event_count},
      {"data_count", data_count},
      {"secrets_count", secrets_count},
  };
  return functions;
}

}  // namespace

CellFunction find_cell_function(std::string_view name) {
  const auto at = cell_functions().find(name);
  return at == cell_functions().end() ? nullptr : at->second;
}

}  // namespace orch::api
