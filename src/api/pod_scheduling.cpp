// The rules for what a pod says to the scheduler: tolerations, affinity, spreading, gates.
#include <algorithm>
#include <set>
#include <string>

#include "api/metadata.h"
#include "api/names.h"
#include "api/pod_spec.h"
#include "base/strings.h"

namespace orch::api {
namespace {

void validate_tolerations(const Value& tolerations, const std::string& path, Causes* causes) {
  for (size_t i = 0; i < tolerations.size(); ++i) {
    const Value& one = tolerations[i];
    const std::string here = at(path, i);
    const std::string& op = one["operator"].as_string();
    if (!one["key"].empty()) {
      add_problems(causes, at(here, "key"), one["key"],
                   qualified_name_problems(one["key"].as_string()));
    } else if (op != "Exists") {
      add_invalid(causes, at(here, "operator"), op,
                  "operator must be Exists when `key` is empty, which means \"match all values "
                  "and all keys\"");
    }
    if (!one["tolerationSeconds"].is_null() && one["effect"].as_string() != "NoExecute") {
      add_invalid(causes, at(here, "effect"), one["effect"].as_string(),
                  "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (op == "Exists") {
      if (!one["value"].empty()) {
        add_invalid(causes, at(here, "operator"), op,
                    "value must be empty when `operator` is 'Exists'");
      }
    } else if (op.empty() || op == "Equal") {
      add_problems(causes, at(here, "operator"), one["value"].as_string(),
                   label_value_problems(one["value"].as_string()));
    }
  }
}

bool is_selector_operator(std::string_view op) {
  constexpr std::string_view kOperators[] = {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"};
  return std::find(std::begin(kOperators), std::end(kOperators), op) != std::end(kOperators);
}

void validate_node_terms(const Value& terms, const std::string& path, Causes* causes) {
  for (size_t i = 0; i < terms.size(); ++i) {
    for (const char* list : {"matchExpressions", "matchFields"}) {
      const Value& wanted = terms[i][list];
      for (size_t j = 0; j < wanted.size(); ++j) {
        const Value& one = wanted[j];
        const std::string here = at(at(at(path, i), list), j);
        const std::string& op = one["operator"].as_string();
        const size_t values = one["values"].size();
        if (!is_selector_operator(op)) {
          add_invalid(causes, at(here, "operator"), op, "not a valid selector operator");
        } else if ((op == "In" || op == "NotIn") && values == 0) {
          add_required(causes, at(here, "values"),
                       "must be specified when `operator` is 'In' or 'NotIn'");
        } else if ((op == "Exists" || op == "DoesNotExist") && values != 0) {
          add_forbidden(causes, at(here, "values"),
                        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        } else if ((op == "Gt" || op == "Lt") && values != 1) {
          add_required(causes, at(here, "values"),
                       "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
        if (list == std::string_view("matchExpressions")) {
          add_problems(causes, at(here, "key"), one["key"],
                       qualified_name_problems(one["key"].as_string()));
        } else if (one["key"].as_string() != "metadata.name") {
          add_invalid(causes, at(here, "key"), one["key"], "not a valid field selector key");
        }
      }
    }
  }
}

void validate_weight(const Value& weight, const std::string& path, Causes* causes) {
  if (weight.as_int() >= 1 && weight.as_int() <= 100) return;
  add_invalid(causes, path, weight, "must be in the range 1-100");
}

void validate_pod_term(const Value& term, const std::string& path, Causes* causes) {
  validate_label_selector(term["labelSelector"], at(path, "labelSelector"), causes);
  validate_label_selector(term["namespaceSelector"], at(path, "namespaceSelector"), causes);
  if (term["topologyKey"].empty()) {
    add_required(causes, at(path, "topologyKey"), "can not be empty");
  }
}

void validate_affinity(const Value& affinity, const std::string& path, Causes* causes) {
  const std::string kRequired = "requiredDuringSchedulingIgnoredDuringExecution";
  const std::string kPreferred = "preferredDuringSchedulingIgnoredDuringExecution";
  const Value& node = affinity["nodeAffinity"];
  const std::string node_path = at(path, "nodeAffinity");
  const Value& terms = node[kRequired]["nodeSelectorTerms"];
  const std::string terms_path = at(at(node_path, kRequired), "nodeSelectorTerms");
  if (!node[kRequired].is_null() && terms.empty()) {
    add_required(causes, terms_path, "must have at least one node selector term");
  }
  validate_node_terms(terms, terms_path, causes);
  for (size_t i = 0; i < node[kPreferred].size(); ++i) {
    validate_weight(node[kPreferred][i]["weight"], at(at(at(node_path, kPreferred), i), "weight"),
                    causes);
  }
  for (const char* kind : {"podAffinity", "podAntiAffinity"}) {
    const std::string here = at(path, kind);
    const Value& required = affinity[kind][kRequired];
    for (size_t i = 0; i < required.size(); ++i) {
      validate_pod_term(required[i], at(at(here, kRequired), i), causes);
    }
    const Value& preferred = affinity[kind][kPreferred];
    for (size_t i = 0; i < preferred.size(); ++i) {
      const std::string term = at(at(here, kPreferred), i);
      validate_weight(preferred[i]["weight"], at(term, "weight"), causes);
      validate_pod_term(preferred[i]["podAffinityTerm"], at(term, "podAffinityTerm"), causes);
    }
  }
}

void validate_spread(const Value& constraints, const std::string& path, Causes* causes) {
  std::set<std::string> seen;
  for (size_t i = 0; i < constraints.size(); ++i) {
    const Value& one = constraints[i];
    const std::string here = at(path, i);
    if (one["maxSkew"].as_int() <= 0) {
      add_invalid(causes, at(here, "maxSkew"), one["maxSkew"].as_int(),
                  "must be greater than zero");
    }
    const Value& domains = one["minDomains"];
    if (!domains.is_null() && domains.as_int() <= 0) {
      add_invalid(causes, at(here, "minDomains"), domains, "must be greater than zero");
    }
    const std::string& action = one["whenUnsatisfiable"].as_string();
    if (!domains.is_null() && action != "DoNotSchedule") {
      add_invalid(causes, at(here, "minDomains"), domains,
                  "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not " + action);
    }
    validate_label_selector(one["labelSelector"], at(here, "labelSelector"), causes);
    const std::string key = "{" + one["topologyKey"].as_string() + ", " + action + "}";
    if (!seen.insert(key).second) {
      add_duplicate(causes, at(here, "{topologyKey, whenUnsatisfiable}"), key);
    }
  }
}

}  // namespace

void validate_scheduling(const Value& spec, const std::string& path, Causes* causes) {
  validate_labels(spec["nodeSelector"], at(path, "nodeSelector"), causes);
  validate_tolerations(spec["tolerations"], at(path, "tolerations"), causes);
  validate_affinity(spec["affinity"], at(path, "affinity"), causes);
  validate_spread(spec["topologySpreadConstraints"], at(path, "topologySpreadConstraints"), causes);
  std::set<std::string> gates;
  const Value& given = spec["schedulingGates"];
  for (size_t i = 0; i < given.size(); ++i) {
    const std::string here = at(at(path, "schedulingGates"), i);
    const std::string& name = given[i]["name"].as_string();
    add_problems(causes, here, name, qualified_name_problems(name));
    if (!gates.insert(name).second) add_duplicate(causes, here, name);
  }
}

}  // namespace orch::api
