// Flows of requests and the levels of priority that they go to.
// Follows: kubernetes.io "API Priority and Fairness".
#include <algorithm>
#include <string>

#include "api/hook_list.h"
#include "api/pod_spec.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr int64_t kMaxPrecedence = 10'000;
constexpr int64_t kHundredPercent = 100;

void validate_subject(const Value& subject, const std::string& path, Causes& causes) {
  const std::string& kind = subject["kind"].as_string();
  const char* member = kind == "User"             ? "user"
                       : kind == "Group"          ? "group"
                       : kind == "ServiceAccount" ? "serviceAccount"
                                                  : nullptr;
  if (member == nullptr) {
    if (kind.empty()) return;  // The table has complained.
    return add_not_supported(&causes, at(path, "kind"), kind, {"Group", "ServiceAccount", "User"});
  }
  for (const char* each : {"user", "group", "serviceAccount"}) {
    const bool given = !subject[each].is_null();
    if (std::string_view(each) == member && !given) {
      add_required(&causes, at(path, each),
                   std::string(each) + " is required when subject kind is '" + kind + "'");
    } else if (std::string_view(each) != member && given) {
      add_forbidden(&causes, at(path, each),
                    std::string(each) + " is forbidden when subject kind is not '" + kind + "'");
    }
  }
}

void validate_flow(const Value& flow, Causes& causes) {
  const Value& spec = flow["spec"];
  const Value& precedence = spec["matchingPrecedence"];
  if (precedence.as_int() <= 0) {
    add_invalid(&causes, "spec.matchingPrecedence", precedence, "must be a positive value");
  } else if (precedence.as_int() > kMaxPrecedence) {
    add_invalid(&causes, "spec.matchingPrecedence", precedence, "must not be greater than 10000");
  }
  const Value& method = spec["distinguisherMethod"]["type"];
  if (!method.empty() && method.as_string() != "ByUser" && method.as_string() != "ByNamespace") {
    add_not_supported(&causes, "spec.distinguisherMethod.type", method, {"ByNamespace", "ByUser"});
  }
  for (size_t i = 0; i < spec["rules"].size(); ++i) {
    const Value& rule = spec["rules"][i];
    const std::string here = at("spec.rules", i);
    for (size_t j = 0; j < rule["subjects"].size(); ++j) {
      validate_subject(rule["subjects"][j], at(at(here, "subjects"), j), causes);
    }
    if (rule["resourceRules"].empty() && rule["nonResourceRules"].empty()) {
      add_required(&causes, here,
                   "at least one of resourceRules and nonResourceRules has to be "
                   "non-empty");
    }
  }
}

void validate_queuing(const Value& queuing, const std::string& path, Causes& causes) {
  for (const char* field : {"queues", "handSize", "queueLengthLimit"}) {
    if (queuing[field].as_int() > 0) continue;
    add_invalid(&causes, at(path, field), queuing[field], "must be positive");
  }
  if (queuing["handSize"].as_int() > queuing["queues"].as_int()) {
    add_invalid(
        &causes, at(path, "handSize"), queuing["handSize"],
        "should not be greater than queues (" + std::to_string(queuing["queues"].as_int()) + ")");
  }
}

void validate_limited(const Value& limited, Causes& causes) {
  const std::string path = "spec.limited";
  validate_not_negative(limited["nominalConcurrencyShares"], at(path, "nominalConcurrencyShares"),
                        &causes);
  const Value& lendable = limited["lendablePercent"];
  if (lendable.as_int() < 0 || lendable.as_int() > kHundredPercent) {
    add_invalid(&causes, at(path, "lendablePercent"), lendable,
                "must be between 0 and 100, inclusive");
  }
  const std::string response_path = at(path, "limitResponse");
  const Value& response = limited["limitResponse"];
  const std::string& type = response["type"].as_string();
  const Value& queuing = response["queuing"];
  if (type == "Queue") {
    if (queuing.is_null()) {
      add_required(&causes, at(response_path, "queuing"),
                   "must not be empty if limited response type is Queue");
    } else {
      validate_queuing(queuing, at(response_path, "queuing"), causes);
    }
  } else if (type == "Reject") {
    if (!queuing.is_null()) {
      add_forbidden(&causes, at(response_path, "queuing"),
                    "must be nil if limited response type is not Queue");
    }
  } else if (!type.empty()) {
    add_not_supported(&causes, at(response_path, "type"), type, {"Queue", "Reject"});
  }
}

void validate_level(const Value& level, Causes& causes) {
  const Value& spec = level["spec"];
  const std::string& type = spec["type"].as_string();
  if (type == "Exempt") {
    if (!spec["limited"].is_null()) {
      add_forbidden(&causes, "spec.limited", "must be nil if the type is not Limited");
    }
  } else if (type == "Limited") {
    if (spec["limited"].is_null()) {
      add_required(&causes, "spec.limited", "must not be empty when type is Limited");
    } else {
      validate_limited(spec["limited"], causes);
    }
    if (!spec["exempt"].is_null()) {
      add_forbidden(&causes, "spec.exempt", "must be nil if the type is Limited");
    }
  } else if (!type.empty()) {
    add_not_supported(&causes, "spec.type", type, {"Exempt", "Limited"});
  }
  const bool named_exempt = level.at("metadata.name").as_string() == "exempt";
  if (named_exempt != (type == "Exempt") && !type.empty()) {
    add_invalid(&causes, "spec.type", type,
                "type must be 'Exempt' if and only if `name` is 'exempt'");
  }
}

}  // namespace

const Hook kFlowSchemaHook = {
    .validate = validate_flow,
};

const Hook kPriorityLevelConfigurationHook = {
    .validate = validate_level,
};

}  // namespace orch::api
