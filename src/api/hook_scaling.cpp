// Autoscalers and disruption budgets: how many pods there may be, and how few.
// Follows: kubernetes.io "Horizontal Pod Autoscaling", "Specifying a Disruption Budget".
#include <cctype>
#include <string>
#include <utility>

#include "api/hook_list.h"
#include "api/metadata.h"
#include "api/workload.h"

namespace orch::api {
namespace {

constexpr int64_t kMaxPeriodSeconds = 1800;
constexpr int64_t kMaxWindowSeconds = 3600;

Value policy(const char* type, int value) {
  return Value::object({{"type", type}, {"value", value}, {"periodSeconds", 15}});
}

void fill(Value& rules, const char* name, Value value) {
  if (std::as_const(rules)[name].is_null()) rules.set(name, std::move(value));
}

void default_autoscaler(Value& autoscaler) {
  Value& spec = autoscaler["spec"];
  if (std::as_const(spec)["metrics"].empty()) {
    const Value target = Value::object({{"type", "Utilization"}, {"averageUtilization", 80}});
    const Value cpu = Value::object({{"name", "cpu"}, {"target", target}});
    spec.set("metrics", Value::array({Value::object({{"type", "Resource"}, {"resource", cpu}})}));
  }
  if (std::as_const(spec)["behavior"].is_null()) return;
  Value& up = spec["behavior"]["scaleUp"];
  fill(up, "stabilizationWindowSeconds", 0);
  fill(up, "selectPolicy", "Max");
  fill(up, "policies", Value::array({policy("Pods", 4), policy("Percent", 100)}));
  Value& down = spec["behavior"]["scaleDown"];
  fill(down, "selectPolicy", "Max");
  fill(down, "policies", Value::array({policy("Percent", 100)}));
}

void validate_scaling_rules(const Value& rules, const std::string& path, Causes& causes) {
  if (rules.is_null()) return;
  const Value& window = rules["stabilizationWindowSeconds"];
  if (window.as_int() < 0 || window.as_int() > kMaxWindowSeconds) {
    add_invalid(&causes, at(path, "stabilizationWindowSeconds"), window,
                "must be between 0 and 3600, inclusive");
  }
  const Value& policies = rules["policies"];
  if (policies.empty()) add_required(&causes, at(path, "policies"));
  for (size_t i = 0; i < policies.size(); ++i) {
    const std::string here = at(at(path, "policies"), i);
    if (policies[i]["value"].as_int() <= 0) {
      add_invalid(&causes, at(here, "value"), policies[i]["value"], "must be greater than zero");
    }
    const int64_t period = policies[i]["periodSeconds"].as_int();
    if (period < 1 || period > kMaxPeriodSeconds) {
      add_invalid(&causes, at(here, "periodSeconds"), policies[i]["periodSeconds"],
                  "must be between 1 and 1800, inclusive");
    }
  }
}

void validate_metric(const Value& metric, const std::string& path, Causes& causes) {
  std::string member = metric["type"].as_string();
  if (member.empty()) {
    add_required(&causes, at(path, "type"), "must specify a metric source type");
    return;
  }
  member[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(member[0])));
  if (metric[member].is_null()) {
    add_required(&causes, at(path, member),
                 "must populate information for the given metric source");
    return;
  }
  const Value& target = metric[member]["target"];
  const std::string here = at(at(path, member), "target");
  if (target["type"].empty()) {
    add_required(&causes, at(here, "type"), "must specify a metric target type");
  }
  if (target["value"].is_null() && target["averageValue"].is_null() &&
      target["averageUtilization"].is_null()) {
    add_required(&causes, here, "must set a target value");
  }
  const Value& share = target["averageUtilization"];
  if (!share.is_null() && share.as_int() < 1) {
    add_invalid(&causes, at(here, "averageUtilization"), share, "must be greater than 0");
  }
}

void validate_autoscaler(const Value& autoscaler, Causes& causes) {
  const Value& spec = autoscaler["spec"];
  const Value& least = spec["minReplicas"];
  const Value& most = spec["maxReplicas"];
  if (!least.is_null() && least.as_int() < 1) {
    add_invalid(&causes, "spec.minReplicas", least, "must be greater than or equal to 1");
  }
  if (most.as_int() < 1) {
    add_invalid(&causes, "spec.maxReplicas", most, "must be greater than 0");
  } else if (most.as_int() < least.as_int()) {
    add_invalid(&causes, "spec.maxReplicas", most,
                "must be greater than or equal to `minReplicas`");
  }
  for (size_t i = 0; i < spec["metrics"].size(); ++i) {
    validate_metric(spec["metrics"][i], at("spec.metrics", i), causes);
  }
  validate_scaling_rules(spec.at("behavior.scaleUp"), "spec.behavior.scaleUp", causes);
  validate_scaling_rules(spec.at("behavior.scaleDown"), "spec.behavior.scaleDown", causes);
}

void validate_budget(const Value& budget, Causes& causes) {
  const Value& spec = budget["spec"];
  if (!spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null()) {
    add_invalid(&causes, "spec", "", "minAvailable and maxUnavailable cannot be both set");
  }
  for (const char* name : {"minAvailable", "maxUnavailable"}) {
    const Value& share = spec[name];
    if (share.is_null()) continue;
    if (validate_share(share, at("spec", name), causes) > 100 && share.is_string()) {
      add_invalid(&causes, at("spec", name), share, "must not be greater than 100%");
    }
  }
  if (!spec["selector"].is_null()) {
    validate_label_selector(spec["selector"], "spec.selector", &causes);
  }
}

}  // namespace

const Hook kHorizontalPodAutoscalerHook = {
    .defaults = default_autoscaler,
    .validate = validate_autoscaler,
};

const Hook kPodDisruptionBudgetHook = {
    .validate = validate_budget,
};

}  // namespace orch::api
