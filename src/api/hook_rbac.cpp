// Roles and who has them. That nobody grants more than they hold is the server's to check.
// Follows: kubernetes.io "Using RBAC Authorization".
#include <string>
#include <utility>

#include "api/hook_list.h"
#include "api/metadata.h"
#include "api/names.h"

namespace orch::api {
namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

void validate_rules(const Value& rules, bool in_namespace, Causes& causes) {
  for (size_t i = 0; i < rules.size(); ++i) {
    const Value& rule = rules[i];
    const std::string here = at("rules", i);
    if (rule["verbs"].empty()) {
      add_required(&causes, at(here, "verbs"), "verbs must contain at least one value");
    }
    if (!rule["nonResourceURLs"].empty()) {
      const std::string path = at(here, "nonResourceURLs");
      if (in_namespace) {
        add_invalid(&causes, path, rule["nonResourceURLs"],
                    "namespaced rules cannot apply to non-resource URLs");
      }
      if (!rule["apiGroups"].empty() || !rule["resources"].empty() ||
          !rule["resourceNames"].empty()) {
        add_invalid(&causes, path, rule["nonResourceURLs"],
                    "rules cannot apply to both regular resources and non-resource URLs");
      }
      continue;
    }
    if (rule["apiGroups"].empty()) {
      add_required(&causes, at(here, "apiGroups"),
                   "resource rules must supply at least one api group");
    }
    if (rule["resources"].empty()) {
      add_required(&causes, at(here, "resources"),
                   "resource rules must supply at least one resource");
    }
  }
}

void validate_role(const Value& role, Causes& causes) {
  validate_rules(role["rules"], true, causes);
}

void validate_cluster_role(const Value& role, Causes& causes) {
  validate_rules(role["rules"], false, causes);
  const Value& aggregation = role["aggregationRule"];
  if (aggregation.is_null()) return;
  const Value& selectors = aggregation["clusterRoleSelectors"];
  const std::string path = "aggregationRule.clusterRoleSelectors";
  if (selectors.empty()) {
    add_required(&causes, path,
                 "at least one clusterRoleSelector required if aggregationRule is non-nil");
  }
  for (size_t i = 0; i < selectors.size(); ++i) {
    validate_label_selector(selectors[i], at(path, i), &causes);
  }
}

void default_binding(Value& binding) {
  Value* subjects = binding.find("subjects");
  if (subjects == nullptr || !subjects->is_array()) return;
  for (Value& subject : subjects->array_items()) {
    const std::string& kind = std::as_const(subject)["kind"].as_string();
    const bool known = kind == "User" || kind == "Group";
    if (known && std::as_const(subject)["apiGroup"].empty()) subject.set("apiGroup", kGroup);
  }
}

void validate_rbac_subject(const Value& subject, const std::string& path, Causes& causes) {
  const std::string& kind = subject["kind"].as_string();
  if (subject["name"].empty()) add_required(&causes, at(path, "name"));
  if (kind == "ServiceAccount") {
    if (!subject["name"].empty()) {
      add_problems(&causes, at(path, "name"), subject["name"],
                   dns_subdomain_problems(subject["name"].as_string()));
    }
    if (!subject["apiGroup"].empty()) {
      add_not_supported(&causes, at(path, "apiGroup"), subject["apiGroup"], {""});
    }
    if (subject["namespace"].empty()) {
      add_required(&causes, at(path, "namespace"));
    }
  } else if (kind == "User" || kind == "Group") {
    if (subject["apiGroup"].as_string() != kGroup) {
      add_not_supported(&causes, at(path, "apiGroup"), subject["apiGroup"], {std::string(kGroup)});
    }
  } else {
    add_not_supported(&causes, at(path, "kind"), subject["kind"],
                      {"ServiceAccount", "User", "Group"});
  }
}

void validate_any_binding(const Value& binding, bool in_namespace, Causes& causes) {
  const Value& role = binding["roleRef"];
  if (role["apiGroup"].as_string() != kGroup) {
    add_not_supported(&causes, "roleRef.apiGroup", role["apiGroup"], {std::string(kGroup)});
  }
  const std::string& kind = role["kind"].as_string();
  if (kind != "ClusterRole" && !(in_namespace && kind == "Role")) {
    std::vector<std::string> kinds = {"ClusterRole"};
    if (in_namespace) kinds.insert(kinds.begin(), "Role");
    add_not_supported(&causes, "roleRef.kind", role["kind"], kinds);
  }
  if (role["name"].empty()) {
    add_required(&causes, "roleRef.name");
  } else {
    add_problems(&causes, "roleRef.name", role["name"],
                 path_segment_problems(role["name"].as_string()));
  }
  const Value& subjects = binding["subjects"];
  for (size_t i = 0; i < subjects.size(); ++i) {
    validate_rbac_subject(subjects[i], at("subjects", i), causes);
  }
}

void validate_role_binding(const Value& binding, Causes& causes) {
  validate_any_binding(binding, true, causes);
}
void validate_cluster_role_binding(const Value& binding, Causes& causes) {
  validate_any_binding(binding, false, causes);
}

void validate_binding_update(const Value& binding, const Value& old, std::string_view,
                             Causes& causes) {
  if (binding["roleRef"] == old["roleRef"]) return;
  add_invalid(&causes, "roleRef", binding["roleRef"], "cannot change roleRef");
}

}  // namespace

const Hook kRoleHook = {
    .validate = validate_role,
};

const Hook kClusterRoleHook = {
    .validate = validate_cluster_role,
};

const Hook kRoleBindingHook = {
    .defaults = default_binding,
    .validate = validate_role_binding,
    .validate_update = validate_binding_update,
};

const Hook kClusterRoleBindingHook = {
    .defaults = default_binding,
    .validate = validate_cluster_role_binding,
    .validate_update = validate_binding_update,
};

}  // namespace orch::api
