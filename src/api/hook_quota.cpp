// Limits of namespaces, and which pods go first.
// Follows: kubernetes.io "Resource Quotas", "Limit Ranges", "Pod Priority and Preemption".
#include <algorithm>
#include <cstdio>
#include <set>
#include <string>
#include <utility>

#include "api/hook_list.h"
#include "api/names.h"
#include "api/quantity.h"
#include "api/workload.h"

namespace orch::api {
namespace {

constexpr int64_t kHighestUserPriority = 1'000'000'000;
constexpr std::string_view kSystemPrefix = "system-";

// The amount, when it is one; nothing to compare otherwise.
const Quantity* amount_of(const Value& amounts, const std::string& name, Quantity* storage) {
  const auto parsed = Quantity::parse(amounts[name].as_string());
  if (amounts[name].is_null() || !parsed.ok()) return nullptr;
  *storage = *parsed;
  return storage;
}

bool counts_objects(std::string_view name) {
  constexpr std::string_view kCounted[] = {
      "pods",          "services",   "services.nodeports",     "services.loadbalancers",
      "secrets",       "configmaps", "persistentvolumeclaims", "replicationcontrollers",
      "resourcequotas"};
  return name.starts_with("count/") ||
         std::find(std::begin(kCounted), std::end(kCounted), name) != std::end(kCounted);
}

void validate_quota(const Value& quota, Causes& causes) {
  for (const Value::Member& one : quota.at("spec.hard").members()) {
    const std::string path = at_key("spec.hard", one.name);
    add_problems(&causes, path, one.name, qualified_name_problems(one.name));
    const auto amount = Quantity::parse(one.value.as_string());
    if (amount.ok() && amount->sign() < 0) {
      add_invalid(&causes, path, one.value, "must be greater than or equal to 0");
    }
    if (amount.ok() && counts_objects(one.name) && amount->milli_value() % 1000 != 0) {
      add_invalid(&causes, path, one.value, "must be an integer");
    }
  }
  const Array& scopes = quota.at("spec.scopes").items();
  const auto has = [&](const char* scope) {
    return std::find(scopes.begin(), scopes.end(), Value(scope)) != scopes.end();
  };
  if ((has("BestEffort") && has("NotBestEffort")) ||
      (has("Terminating") && has("NotTerminating"))) {
    add_invalid(&causes, "spec.scopes", quota.at("spec.scopes"), "conflicting scopes");
  }
}

void validate_quota_update(const Value& quota, const Value& old, std::string_view, Causes& causes) {
  validate_unchanged(quota, old, "spec.scopes", causes);
  validate_unchanged(quota, old, "spec.scopeSelector", causes);
}

// Limits of containers stand for defaults that aren't given.
void default_limit_range(Value& range) {
  Value* spec = range.find("spec");
  Value* limits = spec == nullptr ? nullptr : spec->find("limits");
  if (limits == nullptr || !limits->is_array()) return;
  for (Value& limit : limits->array_items()) {
    if (std::as_const(limit)["type"].as_string() != "Container") continue;
    const auto copy = [&limit](const char* to, const char* from) {
      const Value source = std::as_const(limit)[from];
      for (const Value::Member& one : source.members()) {
        if (std::as_const(limit)[to][one.name].is_null()) limit[to].set(one.name, one.value);
      }
    };
    copy("default", "max");
    copy("defaultRequest", "default");
    copy("defaultRequest", "min");
  }
}

// min ≤ defaultRequest ≤ default ≤ max, as far as they are given.
void validate_order(const Value& limit, const std::string& path, Causes& causes) {
  struct Rule {
    const char *low, *high, *blamed, *low_name, *high_name;
  };
  constexpr Rule kRules[] = {
      {"min", "max", "min", "min", "max"},
      {"min", "defaultRequest", "defaultRequest", "min", "default request"},
      {"defaultRequest", "max", "defaultRequest", "default request", "max"},
      {"defaultRequest", "default", "defaultRequest", "default request", "default limit"},
      {"min", "default", "default", "min", "default"},
      {"default", "max", "default", "default", "max"},
  };
  std::set<std::string> names;
  for (const char* field : {"min", "defaultRequest", "default", "max"}) {
    for (const Value::Member& one : limit[field].members()) names.insert(one.name);
  }
  for (const std::string& name : names) {
    for (const Rule& rule : kRules) {
      Quantity low, high;
      if (amount_of(limit[rule.low], name, &low) == nullptr) continue;
      if (amount_of(limit[rule.high], name, &high) == nullptr || !(high < low)) continue;
      add_invalid(&causes, at_key(at(path, rule.blamed), name), limit[rule.blamed][name],
                  std::string(rule.low_name) + " value " + low.to_string() + " is greater than " +
                      rule.high_name + " value " + high.to_string());
    }
  }
}

// A limit may be so many times the request; min and max leave only so much room for that.
void validate_ratio(const Value& limit, const std::string& path, Causes& causes) {
  for (const Value::Member& one : limit["maxLimitRequestRatio"].members()) {
    Quantity ratio, min, max;
    if (amount_of(limit["maxLimitRequestRatio"], one.name, &ratio) == nullptr) continue;
    const std::string here = at_key(at(path, "maxLimitRequestRatio"), one.name);
    if (ratio.milli_value() < 1000) {
      add_invalid(&causes, here, one.value, "ratio " + ratio.to_string() + " is less than 1");
    }
    if (amount_of(limit["min"], one.name, &min) == nullptr || min.sign() <= 0) continue;
    if (amount_of(limit["max"], one.name, &max) == nullptr) continue;
    const double room =
        static_cast<double>(max.milli_value()) / static_cast<double>(min.milli_value());
    if (static_cast<double>(ratio.milli_value()) <= room * 1000) continue;
    char text[32];
    std::snprintf(text, sizeof text, "%f", room);
    add_invalid(&causes, here, one.value,
                "ratio " + ratio.to_string() + " is greater than max/min = " + text);
  }
}

void validate_limit_range(const Value& range, Causes& causes) {
  const Value& limits = range.at("spec.limits");
  std::set<std::string> types;
  for (size_t i = 0; i < limits.size(); ++i) {
    const Value& limit = limits[i];
    const std::string here = at("spec.limits", i);
    const std::string& type = limit["type"].as_string();
    if (!type.empty() && !types.insert(type).second) {
      add_duplicate(&causes, at(here, "type"), limit["type"]);
    }
    if (type == "Pod") {
      for (const char* field : {"default", "defaultRequest"}) {
        if (limit[field].empty()) continue;
        add_forbidden(&causes, at(here, field), "may not be specified when `type` is 'Pod'");
      }
    }
    if (type == "PersistentVolumeClaim" && limit.at("min.storage").is_null() &&
        limit.at("max.storage").is_null()) {
      add_required(&causes, here, "either minimum or maximum storage value is required");
    }
    validate_order(limit, here, causes);
    validate_ratio(limit, here, causes);
  }
}

void validate_priority_class(const Value& priority, Causes& causes) {
  const std::string& name = priority.at("metadata.name").as_string();
  if (name.starts_with(kSystemPrefix)) {
    const bool known = name == "system-cluster-critical" || name == "system-node-critical";
    if (!known) {
      add_forbidden(&causes, "metadata.name",
                    "priority class names with 'system-' prefix are reserved for system use "
                    "only. error: " +
                        name + " is not a known system priority class");
    }
  } else if (priority["value"].as_int() > kHighestUserPriority) {
    add_forbidden(&causes, "value",
                  "maximum allowed value of a user defined priority is 1000000000");
  }
}

void validate_priority_class_update(const Value& now, const Value& old, std::string_view,
                                    Causes& causes) {
  if (now["value"].as_int() != old["value"].as_int()) {
    add_forbidden(&causes, "value", "may not be changed in an update.");
  }
  validate_unchanged(now, old, "preemptionPolicy", causes);
}

}  // namespace

const Hook kResourceQuotaHook = {
    .validate = validate_quota,
    .validate_update = validate_quota_update,
};

const Hook kLimitRangeHook = {
    .defaults = default_limit_range,
    .validate = validate_limit_range,
};

const Hook kPriorityClassHook = {
    .validate = validate_priority_class,
    .validate_update = validate_priority_class_update,
};

}  // namespace orch::api
