// The cells of workloads, jobs and autoscalers.
#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "api/table_cells.h"
#include "base/strings.h"
#include "base/time_spans.h"

namespace orch::api {
namespace {

std::string replicas(const Value& o) {
  return std::to_string(o["status"]["readyReplicas"].as_int()) + "/" +
         std::to_string(o["spec"]["replicas"].as_int());
}
Value deployment_ready(const Value& o, WallTime) { return replicas(o); }
Value replicas_ready(const Value& o, WallTime) { return replicas(o); }

// ---- Templates ----

const Value& template_of(const Value& o) {
  if (!o["spec"]["jobTemplate"].is_null()) return o["spec"]["jobTemplate"]["spec"]["template"];
  return o["spec"].is_null() ? o["template"] : o["spec"]["template"];
}

Value container_names(const Value& o, WallTime) {
  return joined(template_of(o)["spec"]["containers"], "name");
}
Value container_images(const Value& o, WallTime) {
  return joined(template_of(o)["spec"]["containers"], "image");
}
Value template_labels(const Value& o, WallTime) {
  return text_of_labels(template_of(o)["metadata"]["labels"]);
}
Value template_node_selector(const Value& o, WallTime) {
  return text_of_labels(template_of(o)["spec"]["nodeSelector"]);
}

Value selector(const Value& o, WallTime) {
  const Value& jobs = o["spec"]["jobTemplate"];
  return text_of_selector(jobs.is_null() ? o["spec"]["selector"] : jobs["spec"]["selector"]);
}
Value map_selector(const Value& o, WallTime) { return text_of_labels(o["spec"]["selector"]); }

Value controller(const Value& o, WallTime) {
  for (const Value& owner : o["metadata"]["ownerReferences"].items()) {
    if (!owner["controller"].as_bool()) continue;
    const std::string& version = owner["apiVersion"].as_string();
    const size_t slash = version.find('/');
    std::string kind = to_lower(owner["kind"].as_string());
    if (slash != version.npos) kind += "." + version.substr(0, slash);
    return kind + "/" + owner["name"].as_string();
  }
  return "<none>";
}

// ---- Jobs ----

Value job_status(const Value& o, WallTime) {
  if (condition_true(o, "Complete")) return "Complete";
  if (condition_true(o, "Failed")) return "Failed";
  if (!o["metadata"]["deletionTimestamp"].is_null()) return "Terminating";
  if (condition_true(o, "Suspended")) return "Suspended";
  return condition_true(o, "FailureTarget") ? "FailureTarget" : "Running";
}

Value job_completions(const Value& o, WallTime) {
  const std::string done = std::to_string(o["status"]["succeeded"].as_int());
  const Value& spec = o["spec"];
  if (!spec["completions"].is_null()) return done + "/" + to_json(spec["completions"]);
  if (spec["parallelism"].as_int() > 1) return done + "/1 of " + to_json(spec["parallelism"]);
  return done + "/1";
}

Value job_duration(const Value& o, WallTime now) {
  WallTime start, end = now;
  if (!parse_time(o["status"]["startTime"].as_string(), &start)) return "";
  parse_time(o["status"]["completionTime"].as_string(), &end);
  return human_duration(time_between(start, end));
}

Value cron_job_suspend(const Value& o, WallTime) {
  const Value& suspend = o["spec"]["suspend"];
  if (suspend.is_null()) return "<unset>";
  return suspend.as_bool() ? "True" : "False";
}
Value cron_job_active(const Value& o, WallTime) { return count_of(o["status"]["active"]); }
Value cron_job_last(const Value& o, WallTime now) {
  const Value& last = o["status"]["lastScheduleTime"];
  return last.is_null() ? "<none>" : age_of(last, now);
}

// ---- Autoscalers ----

Value autoscaler_target(const Value& o, WallTime) {
  const Value& target = o["spec"]["scaleTargetRef"];
  return target["kind"].as_string() + "/" + target["name"].as_string();
}

std::string percent(const Value& number, std::string_view otherwise) {
  return number.is_null() ? std::string(otherwise) : to_json(number) + "%";
}

// "cpu: 3%/80%": one metric, measured and wanted.
std::string metric_text(const Value& spec, const Value& status) {
  const std::string& type = spec["type"].as_string();
  std::string member = type;
  if (!member.empty()) member[0] = static_cast<char>(std::tolower(member[0]));
  const Value& target = spec[member]["target"];
  const Value& current = status[member]["current"];
  const bool named = type == "Resource" || type == "ContainerResource";
  const std::string head = named ? spec[member]["name"].as_string() + ": " : "";
  if (target.is_null()) return "<unknown type>";
  const auto amount = [&](const char* field, const char* suffix) {
    const std::string now = current[field].is_null() ? "<unknown>" : current[field].as_string();
    return head + now + "/" + target[field].as_string() + suffix;
  };
  if (!target["averageValue"].is_null()) {
    const bool told = type == "Object" || type == "External";
    return amount("averageValue", told ? " (avg)" : "");
  }
  if (!target["value"].is_null()) return amount("value", "");
  return head + percent(current["averageUtilization"], "<unknown>") + "/" +
         percent(target["averageUtilization"], "<auto>");
}

Value autoscaler_metrics(const Value& o, WallTime) {
  constexpr size_t kShown = 2;
  const Array& metrics = o["spec"]["metrics"].items();
  const Value& measured = o["status"]["currentMetrics"];
  if (metrics.empty()) return "<none>";
  std::vector<std::string> parts;
  for (size_t i = 0; i < std::min(metrics.size(), kShown); ++i)
    parts.push_back(metric_text(metrics[i], measured[i]));
  std::string text = join(parts, ", ");
  if (metrics.size() > kShown) text += " + " + std::to_string(metrics.size() - kShown) + " more...";
  return text;
}

constexpr Cell kWorkloadCells[] = {
    {"deployment_ready", deployment_ready},
    {"replicas_ready", replicas_ready},
    {"container_names", container_names},
    {"container_images", container_images},
    {"template_labels", template_labels},
    {"template_node_selector", template_node_selector},
    {"selector", selector},
    {"map_selector", map_selector},
    {"controller", controller},
    {"job_status", job_status},
    {"job_completions", job_completions},
    {"job_duration", job_duration},
    {"cron_job_suspend", cron_job_suspend},
    {"cron_job_active", cron_job_active},
    {"cron_job_last", cron_job_last},
    {"autoscaler_target", autoscaler_target},
    {"autoscaler_metrics", autoscaler_metrics},
};

}  // namespace

std::span<const Cell> workload_cells() { return kWorkloadCells; }

}  // namespace orch::api
