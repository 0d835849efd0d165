// The rules of a Job that say what its pods' ends mean: when it has failed, when it has succeeded,
// and what its status may not take back.
// Follows: kubernetes.io "Jobs", KEP-3329 (pod failure policy), KEP-3998 (success policy).
#include <algorithm>
#include <set>
#include <string>

#include "api/names.h"
#include "api/pod_spec.h"
#include "api/workload.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr size_t kMaxRules = 20;
constexpr size_t kMaxExitCodes = 255;
constexpr size_t kMaxConditions = 20;
constexpr int64_t kMaxFailedIndexes = 100'000;
constexpr size_t kMaxManager = 63;

void validate_exit_codes(const Value& codes, const std::string& path, Causes& causes) {
  const Value& values = codes["values"];
  const std::string here = at(path, "values");
  if (values.size() > kMaxExitCodes) add_too_many(&causes, here, values.size(), kMaxExitCodes);
  std::set<int64_t> seen;
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t code = values[i].as_int();
    if (!seen.insert(code).second) add_duplicate(&causes, at(here, i), values[i]);
    if (code == 0 && codes["operator"].as_string() == "In") {
      add_invalid(&causes, at(here, i), values[i], "must not be 0 for the In operator");
    }
    if (i > 0 && code < values[i - 1].as_int()) {
      add_invalid(&causes, here, values, "must be ordered");
    }
  }
}

void validate_failure_rule(const Value& rule, bool indexed_limit, const std::string& path,
                           Causes& causes) {
  const bool codes = !rule["onExitCodes"].is_null(), conditions = !rule["onPodConditions"].empty();
  if (codes == conditions) {
    add_invalid(&causes, path, rule,
                codes ? "specifying both OnExitCodes and OnPodConditions is not supported"
                      : "specifying one of OnExitCodes and OnPodConditions is required");
  }
  if (rule["action"].as_string() == "FailIndex" && !indexed_limit) {
    add_invalid(&causes, at(path, "action"), rule["action"],
                "requires the backoffLimitPerIndex to be set");
  }
  if (codes) validate_exit_codes(rule["onExitCodes"], at(path, "onExitCodes"), causes);
  const size_t patterns = rule["onPodConditions"].size();
  if (patterns > kMaxConditions) {
    add_too_many(&causes, at(path, "onPodConditions"), patterns, kMaxConditions);
  }
}

void validate_success_policy(const Value& spec, const std::string& path, Causes& causes) {
  const Value& policy = spec["successPolicy"];
  if (policy.is_null()) return;
  if (spec["completionMode"].as_string() != "Indexed") {
    add_invalid(&causes, path, policy, "requires indexed completion mode");
  }
  const Value& rules = policy["rules"];
  if (rules.size() > kMaxRules) add_too_many(&causes, at(path, "rules"), rules.size(), kMaxRules);
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string here = at(at(path, "rules"), i);
    const Value& count = rules[i]["succeededCount"];
    if (count.is_null() && rules[i]["succeededIndexes"].is_null()) {
      add_required(&causes, here,
                   "at least one of succeededCount or succeededIndexes must be specified");
    }
    validate_not_negative(count, at(here, "succeededCount"), &causes);
    if (count.as_int() > spec["completions"].as_int()) {
      add_invalid(&causes, at(here, "succeededCount"), count,
                  "must be less than or equal to " + std::to_string(spec["completions"].as_int()) +
                      " (the number of specified completions)");
    }
  }
}

bool has(const Value& job, std::string_view type) {
  for (const Value& condition : job.at("status.conditions").items()) {
    if (condition["type"].as_string() == type) return condition["status"].as_string() == "True";
  }
  return false;
}

}  // namespace

void validate_job_policies(const Value& spec, const std::string& path, Causes& causes) {
  const bool indexed = spec["completionMode"].as_string() == "Indexed";
  const bool limited = !spec["backoffLimitPerIndex"].is_null();
  if (limited && !indexed) {
    add_invalid(&causes, at(path, "backoffLimitPerIndex"), spec["backoffLimitPerIndex"],
                "requires indexed completion mode");
  }
  const Value& most = spec["maxFailedIndexes"];
  if (!most.is_null()) {
    if (!limited) {
      add_required(&causes, at(path, "backoffLimitPerIndex"), "when maxFailedIndexes is specified");
    }
    if (most.as_int() > kMaxFailedIndexes) {
      add_invalid(&causes, at(path, "maxFailedIndexes"), most,
                  "must be less than or equal to 100000");
    }
  }
  const Value& rules = spec["podFailurePolicy"]["rules"];
  const std::string rules_path = at(path, "podFailurePolicy.rules");
  if (rules.size() > kMaxRules) add_too_many(&causes, rules_path, rules.size(), kMaxRules);
  for (size_t i = 0; i < rules.size(); ++i) {
    validate_failure_rule(rules[i], limited, at(rules_path, i), causes);
  }
  if (!rules.empty() && spec["podReplacementPolicy"].as_string() == "TerminatingOrFailed") {
    add_invalid(&causes, at(path, "podReplacementPolicy"), spec["podReplacementPolicy"],
                "only \"Failed\" is supported when podFailurePolicy is specified");
  }
  validate_success_policy(spec, at(path, "successPolicy"), causes);
  const Value& manager = spec["managedBy"];
  if (manager.is_null()) return;
  const std::string& text = manager.as_string();
  if (text.size() > kMaxManager) add_too_long(&causes, at(path, "managedBy"), kMaxManager);
  const size_t slash = text.find('/');
  if (slash == text.npos || slash + 1 == text.size()) {
    add_invalid(&causes, at(path, "managedBy"), manager,
                "must be a domain-prefixed path (such as \"acme.io/foo\")");
  } else {
    add_problems(&causes, at(path, "managedBy"), manager,
                 dns_subdomain_problems(std::string_view(text).substr(0, slash)));
  }
}

void validate_job_status(const Value& job, const Value& old, Causes& causes) {
  for (const char* count : {"active", "succeeded", "failed", "terminating", "ready"}) {
    validate_not_negative(job["status"][count], at("status", count), &causes);
  }
  if (has(job, "Complete") && has(job, "Failed")) {
    add_invalid(&causes, "status.conditions", job.at("status.conditions"),
                "cannot set Complete=True and Failed=true conditions");
  }
  for (const char* type : {"Complete", "Failed", "SuccessCriteriaMet", "FailureTarget"}) {
    if (!has(old, type) || has(job, type)) continue;
    add_invalid(&causes, "status.conditions", job.at("status.conditions"),
                std::string("cannot disable the terminal ") + type + "=True condition");
  }
  const int64_t before = old.at("status.succeeded").as_int();
  if (job.at("status.succeeded").as_int() < before && has(old, "Complete")) {
    add_invalid(&causes, "status.succeeded", job.at("status.succeeded"),
                "cannot decrease after the job is complete");
  }
}

}  // namespace orch::api
