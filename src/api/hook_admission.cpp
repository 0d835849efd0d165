// Who else has a say when objects are written: webhooks and policies. Whether an expression
// compiles is not looked at here.
// Follows: kubernetes.io "Dynamic Admission Control", "Validating Admission Policy".
#include <algorithm>
#include <set>
#include <string>

#include "api/canonical.h"
#include "api/hook_list.h"
#include "api/metadata.h"
#include "api/names.h"
#include "api/webhook.h"
#include "base/strings.h"

namespace orch::api {
namespace {

constexpr size_t kMaxMatchConditions = 64;
constexpr size_t kMaxAuditAnnotations = 20;
constexpr int64_t kMaxTimeoutSeconds = 30;

bool holds(const Value& list, std::string_view text) {
  const Array& items = list.items();
  return std::any_of(items.begin(), items.end(),
                     [&](const Value& item) { return item.as_string() == text; });
}

void validate_rule(const Value& rule, const std::string& path, Causes& causes) {
  for (const char* list : {"operations", "apiGroups", "apiVersions", "resources"}) {
    const Value& given = rule[list];
    const std::string here = at(path, list);
    if (given.empty()) add_required(&causes, here);
    const bool wild = std::string_view(list) != "resources" && given.size() > 1;
    if (wild && holds(given, "*")) {
      add_invalid(&causes, here, given,
                  "if '*' is present, must not specify other " + std::string(list));
    }
    for (size_t i = 0; i < given.size(); ++i) {
      const bool may_be_empty = std::string_view(list) == "apiGroups";  // "" is the core group.
      if (given[i].empty() && !may_be_empty) add_required(&causes, at(here, i));
    }
  }
}

void validate_match_conditions(const Value& conditions, const std::string& path, Causes& causes) {
  if (conditions.size() > kMaxMatchConditions) {
    add_too_many(&causes, path, conditions.size(), kMaxMatchConditions);
  }
  std::set<std::string> seen;
  for (size_t i = 0; i < conditions.size(); ++i) {
    const std::string here = at(at(path, i), "name");
    const std::string& name = conditions[i]["name"].as_string();
    if (name.empty()) continue;  // The table has complained.
    add_problems(&causes, here, name, qualified_name_problems(name));
    if (!seen.insert(name).second) add_duplicate(&causes, here, name);
  }
}

void validate_review_versions(const Value& versions, const std::string& path, Causes& causes) {
  if (versions.empty()) return;  // The table has complained.
  std::set<std::string> seen;
  for (size_t i = 0; i < versions.size(); ++i) {
    const std::string& version = versions[i].as_string();
    add_problems(&causes, at(path, i), version, dns_label_1035_problems(version));
    if (!seen.insert(version).second) add_duplicate(&causes, at(path, i), version);
  }
  if (seen.contains("v1") || seen.contains("v1beta1")) return;
  add_invalid(&causes, path, versions, "must include at least one of v1, v1beta1");
}

void validate_webhook(const Value& webhook, const std::string& path, Causes& causes) {
  const std::string& name = webhook["name"].as_string();
  if (!name.empty()) {
    add_problems(&causes, at(path, "name"), name, dns_subdomain_problems(name));
    if (std::count(name.begin(), name.end(), '.') < 2) {
      add_invalid(&causes, at(path, "name"), name,
                  "should be a domain with at least three segments separated by dots");
    }
  }
  const std::string& effects = webhook["sideEffects"].as_string();
  if (effects == "Some" || effects == "Unknown") {
    add_not_supported(&causes, at(path, "sideEffects"), effects, {"None", "NoneOnDryRun"});
  }
  const Value& timeout = webhook["timeoutSeconds"];
  if (!timeout.is_null() && (timeout.as_int() < 1 || timeout.as_int() > kMaxTimeoutSeconds)) {
    add_invalid(&causes, at(path, "timeoutSeconds"), timeout,
                "the timeout value must be between 1 and 30 seconds");
  }
  validate_webhook_client(webhook["clientConfig"], at(path, "clientConfig"), causes);
  validate_review_versions(webhook["admissionReviewVersions"], at(path, "admissionReviewVersions"),
                           causes);
  for (size_t i = 0; i < webhook["rules"].size(); ++i) {
    validate_rule(webhook["rules"][i], at(at(path, "rules"), i), causes);
  }
  for (const char* selector : {"namespaceSelector", "objectSelector"}) {
    validate_label_selector(webhook[selector], at(path, selector), &causes);
  }
  validate_match_conditions(webhook["matchConditions"], at(path, "matchConditions"), causes);
}

void validate_webhooks(const Value& configuration, Causes& causes) {
  const Value& webhooks = configuration["webhooks"];
  std::set<std::string> seen;
  for (size_t i = 0; i < webhooks.size(); ++i) {
    const std::string here = at("webhooks", i);
    validate_webhook(webhooks[i], here, causes);
    const std::string& name = webhooks[i]["name"].as_string();
    if (!name.empty() && !seen.insert(name).second) {
      add_duplicate(&causes, at(here, "name"), name);
    }
  }
}

// They have no spec: the webhooks are what is counted.
bool same_webhooks(const Value& configuration, const Value& old) {
  const Type& type =
      *Schema::builtin().find_type("admissionregistration/v1." + old["kind"].as_string());
  const auto webhooks = [&](const Value& of) {
    return canonicalize(type, Value::object({{"webhooks", of["webhooks"]}}));
  };
  return webhooks(configuration) == webhooks(old);
}

void validate_match_resources(const Value& match, const std::string& path, bool rules_required,
                              Causes& causes) {
  if (match.is_null()) return;
  if (rules_required && match["resourceRules"].empty()) {
    add_required(&causes, at(path, "resourceRules"));
  }
  for (const char* list : {"resourceRules", "excludeResourceRules"}) {
    for (size_t i = 0; i < match[list].size(); ++i) {
      validate_rule(match[list][i], at(at(path, list), i), causes);
    }
  }
  for (const char* selector : {"namespaceSelector", "objectSelector"}) {
    validate_label_selector(match[selector], at(path, selector), &causes);
  }
}

void validate_validations(const Value& validations, Causes& causes) {
  for (size_t i = 0; i < validations.size(); ++i) {
    const std::string here = at("spec.validations", i);
    const Value& reason = validations[i]["reason"];
    const std::vector<std::string> known = {"Unauthorized", "Forbidden", "Invalid",
                                            "RequestEntityTooLarge"};
    if (!reason.empty() &&
        std::find(known.begin(), known.end(), reason.as_string()) == known.end()) {
      add_not_supported(&causes, at(here, "reason"), reason, known);
    }
  }
}

void validate_policy(const Value& policy, Causes& causes) {
  const Value& spec = policy["spec"];
  if (spec["validations"].empty() && spec["auditAnnotations"].empty()) {
    add_required(&causes, "spec.validations", "validations or auditAnnotations must be specified");
    add_required(&causes, "spec.auditAnnotations",
                 "validations or auditAnnotations must be specified");
  }
  const Value& kind = spec["paramKind"];
  for (const char* member : {"apiVersion", "kind"}) {
    if (!kind.is_null() && kind[member].empty()) {
      add_required(&causes, at("spec.paramKind", member));
    }
  }
  if (spec["matchConstraints"].is_null()) add_required(&causes, "spec.matchConstraints");
  validate_match_resources(spec["matchConstraints"], "spec.matchConstraints", true, causes);
  validate_match_conditions(spec["matchConditions"], "spec.matchConditions", causes);
  validate_validations(spec["validations"], causes);
  const size_t annotations = spec["auditAnnotations"].size();
  if (annotations > kMaxAuditAnnotations) {
    add_too_many(&causes, "spec.auditAnnotations", annotations, kMaxAuditAnnotations);
  }
}

void validate_param_ref(const Value& ref, Causes& causes) {
  if (ref.is_null()) return;
  const bool named = !ref["name"].empty(), selected = !ref["selector"].is_null();
  if (named && selected) {
    add_forbidden(&causes, "spec.paramRef.name", "name and selector are mutually exclusive");
  } else if (!named && !selected) {
    add_required(&causes, "spec.paramRef", "one of name or selector must be specified");
  }
  const Value& action = ref["parameterNotFoundAction"];
  if (action.empty()) {
    add_required(&causes, "spec.paramRef.parameterNotFoundAction");
  } else if (action.as_string() != "Allow" && action.as_string() != "Deny") {
    add_not_supported(&causes, "spec.paramRef.parameterNotFoundAction", action, {"Allow", "Deny"});
  }
  if (selected) validate_label_selector(ref["selector"], "spec.paramRef.selector", &causes);
}

void validate_policy_binding(const Value& binding, Causes& causes) {
  const Value& spec = binding["spec"];
  if (spec["policyName"].empty()) add_required(&causes, "spec.policyName");
  validate_param_ref(spec["paramRef"], causes);
  validate_match_resources(spec["matchResources"], "spec.matchResources", false, causes);
  const Value& actions = spec["validationActions"];
  if (actions.empty()) add_required(&causes, "spec.validationActions");
  if (holds(actions, "Deny") && holds(actions, "Warn")) {
    add_invalid(&causes, "spec.validationActions", actions,
                "must not contain both Deny and Warn (repeating the same validation failure "
                "information in the API response and headers serves no purpose)");
  }
}

}  // namespace

const Hook kMutatingWebhooksHook = {
    .same_generation = same_webhooks,
    .validate = validate_webhooks,
};

const Hook kValidatingWebhooksHook = {
    .same_generation = same_webhooks,
    .validate = validate_webhooks,
};

const Hook kValidatingAdmissionPolicyHook = {
    .validate = validate_policy,
};

const Hook kValidatingAdmissionPolicyBindingHook = {
    .validate = validate_policy_binding,
};

}  // namespace orch::api
