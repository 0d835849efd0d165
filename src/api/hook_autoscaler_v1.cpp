// autoscaling/v1: the autoscaler that knew of CPU alone. What else a stored one has (other metrics,
// behaviour, conditions) travels in annotations, in the words of that time, so that a client of v1
// who changes the one field and writes it back loses nothing.
// Follows: kubernetes.io "Horizontal Pod Autoscaling", autoscaling/v1.
#include <array>
#include <string>
#include <utility>

#include "api/hook_list.h"

namespace orch::api {
namespace {

constexpr std::string_view kMetrics = "autoscaling.alpha.kubernetes.io/metrics";
constexpr std::string_view kCurrentMetrics = "autoscaling.alpha.kubernetes.io/current-metrics";
constexpr std::string_view kConditions = "autoscaling.alpha.kubernetes.io/conditions";
constexpr std::string_view kBehavior = "autoscaling.alpha.kubernetes.io/behavior";
constexpr std::string_view kPercentage = "targetCPUUtilizationPercentage";
constexpr std::string_view kCurrentPercentage = "currentCPUUtilizationPercentage";

// Of each source of metrics: what v1 calls the values that v2 keeps in metric, target and current.
struct Word {
  std::string_view path, name;
};
struct Source {
  std::string_view member;
  std::array<Word, 4> target;   // Of a spec.
  std::array<Word, 4> current;  // Of a status.
};
constexpr std::array<Source, 5> kSources = {{
    {"resource",
     {{{"target.averageUtilization", "targetAverageUtilization"},
       {"target.averageValue", "targetAverageValue"}}},
     {{{"current.averageUtilization", "currentAverageUtilization"},
       {"current.averageValue", "currentAverageValue"}}}},
    {"containerResource",
     {{{"target.averageUtilization", "targetAverageUtilization"},
       {"target.averageValue", "targetAverageValue"}}},
     {{{"current.averageUtilization", "currentAverageUtilization"},
       {"current.averageValue", "currentAverageValue"}}}},
    {"pods",
     {{{"metric.name", "metricName"},
       {"metric.selector", "selector"},
       {"target.averageValue", "targetAverageValue"}}},
     {{{"metric.name", "metricName"},
       {"metric.selector", "selector"},
       {"current.averageValue", "currentAverageValue"}}}},
    {"object",
     {{{"metric.name", "metricName"},
       {"metric.selector", "selector"},
       {"target.value", "targetValue"},
       {"target.averageValue", "averageValue"}}},
     {{{"metric.name", "metricName"},
       {"metric.selector", "selector"},
       {"current.value", "currentValue"},
       {"current.averageValue", "averageValue"}}}},
    {"external",
     {{{"metric.name", "metricName"},
       {"metric.selector", "metricSelector"},
       {"target.value", "targetValue"},
       {"target.averageValue", "targetAverageValue"}}},
     {{{"metric.name", "metricName"},
       {"metric.selector", "metricSelector"},
       {"current.value", "currentValue"},
       {"current.averageValue", "currentAverageValue"}}}},
}};

bool is_group(std::string_view name) {
  return name == "metric" || name == "target" || name == "current";
}

// One metric in the words of v1, or (back) of v2.
Value old_metric(const Value& metric, bool of_status) {
  Value made = Value::object({{"type", metric["type"]}});
  for (const Source& source : kSources) {
    const Value& given = metric[source.member];
    if (given.is_null()) continue;
    Value part = Value::object();
    for (const Value::Member& member : given.members()) {
      const bool object = member.name == "describedObject";
      if (!is_group(member.name)) part.set(object ? "target" : member.name, member.value);
    }
    for (const Word& word : of_status ? source.current : source.target) {
      if (!word.path.empty() && !given.at(word.path).is_null()) {
        part.set(word.name, given.at(word.path));
      }
    }
    made.set(source.member, std::move(part));
  }
  return made;
}

// What kind of target it is, by the value that it gives.
void set_target_type(Value* target) {
  const Value& given = *target;
  target->set("type", !given["averageUtilization"].is_null() ? "Utilization"
                      : !given["averageValue"].is_null()     ? "AverageValue"
                                                             : "Value");
}

Value new_metric(const Value& metric, bool of_status) {
  Value made = Value::object({{"type", metric["type"]}});
  for (const Source& source : kSources) {
    const Value& given = metric[source.member];
    if (given.is_null()) continue;
    Value part = Value::object();
    for (const char* kept : {"name", "container"}) {
      if (!given[kept].is_null()) part.set(kept, given[kept]);
    }
    if (source.member == "object") part.set("describedObject", given["target"]);
    for (const Word& word : of_status ? source.current : source.target) {
      if (word.path.empty() || given[word.name].is_null()) continue;
      const size_t dot = word.path.find('.');
      part[word.path.substr(0, dot)].set(word.path.substr(dot + 1), given[word.name]);
    }
    if (!of_status) set_target_type(&part["target"]);
    made.set(source.member, std::move(part));
  }
  return made;
}

Value cpu_metric(Value percentage) {
  return Value::object(
      {{"type", "Resource"},
       {"resource", Value::object({{"name", "cpu"},
                                   {"target", Value::object({{"type", "Utilization"},
                                                             {"averageUtilization",
                                                              std::move(percentage)}})}})}});
}

// Null when the metric isn't the one that v1 has a field for.
const Value& cpu_percentage(const Value& metric, const char* path) {
  static const Value none;
  if (metric["type"].as_string() != "Resource") return none;
  if (metric.at("resource.name").as_string() != "cpu") return none;
  return metric.at(path);
}

void annotate(Value* object, std::string_view key, const Value& value) {
  if (!value.empty()) (*object)["metadata"]["annotations"].set(key, to_json(value));
}

// Takes an annotation away; null when it isn't there or isn't JSON.
Value taken(Value* object, std::string_view key) {
  if (std::as_const(*object)["metadata"]["annotations"][key].is_null()) return {};
  Value& annotations = (*object)["metadata"]["annotations"];
  auto parsed = parse_json(std::as_const(annotations)[key].as_string());
  annotations.remove(key);
  if (annotations.empty()) (*object)["metadata"].remove("annotations");
  return parsed ? *std::move(parsed) : Value();
}

void from_v2(Value& object) {
  Value& spec = object["spec"];
  Value rest = Value::array();
  const Array wanted = std::as_const(spec)["metrics"].items();
  for (const Value& metric : wanted) {
    const Value& percentage = cpu_percentage(metric, "resource.target.averageUtilization");
    if (std::as_const(spec)[kPercentage].is_null() && !percentage.is_null()) {
      spec.set(kPercentage, percentage);
    } else {
      rest.push_back(old_metric(metric, false));
    }
  }
  annotate(&object, kMetrics, rest);
  annotate(&object, kBehavior, std::as_const(spec)["behavior"]);
  spec.remove("metrics");
  spec.remove("behavior");

  Value& status = object["status"];
  rest = Value::array();
  const Array measured = std::as_const(status)["currentMetrics"].items();
  for (const Value& metric : measured) {
    const Value& percentage = cpu_percentage(metric, "resource.current.averageUtilization");
    if (!percentage.is_null()) status.set(kCurrentPercentage, percentage);
    rest.push_back(old_metric(metric, true));
  }
  annotate(&object, kCurrentMetrics, rest);
  annotate(&object, kConditions, std::as_const(status)["conditions"]);
  status.remove("currentMetrics");
  status.remove("conditions");
}

void to_v2(Value& object) {
  if (Value* spec = object.find("spec"); spec != nullptr && spec->is_object()) {
    Value metrics = Value::array();
    const Value percentage = std::as_const(*spec)[kPercentage];
    if (!percentage.is_null()) metrics.push_back(cpu_metric(percentage));
    const Value others = taken(&object, kMetrics);
    for (const Value& metric : others.items()) {
      metrics.push_back(new_metric(metric, false));
    }
    spec = object.find("spec");
    spec->remove(kPercentage);
    if (!metrics.empty()) spec->set("metrics", std::move(metrics));
    if (Value behavior = taken(&object, kBehavior); !behavior.is_null()) {
      object["spec"].set("behavior", std::move(behavior));
    }
  }
  Value* status = object.find("status");
  if (status == nullptr || !status->is_object()) return;
  status->remove(kCurrentPercentage);
  Value metrics = Value::array();
  const Value measured = taken(&object, kCurrentMetrics);
  for (const Value& metric : measured.items()) {
    metrics.push_back(new_metric(metric, true));
  }
  if (!metrics.empty()) object["status"].set("currentMetrics", std::move(metrics));
  if (Value conditions = taken(&object, kConditions); !conditions.is_null()) {
    object["status"].set("conditions", std::move(conditions));
  }
}

void validate_old_autoscaler(const Value& autoscaler, Causes& causes) {
  const Value& percentage = autoscaler["spec"][kPercentage];
  if (percentage.is_null() || percentage.as_int() >= 1) return;
  add_invalid(&causes, at("spec", kPercentage), percentage, "must be greater than 0");
}

}  // namespace

const Hook kOldAutoscalerHook = {
    .to_stored = to_v2,
    .from_stored = from_v2,
    .validate = validate_old_autoscaler,
};

}  // namespace orch::api
