// rules: what a role allows. PURE values, made of the `rules` of Roles and ClusterRoles.
// Follows: rbac.authorization.k8s.io/v1 PolicyRule; "Using RBAC Authorization".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"

namespace orch::rbac {

inline constexpr std::string_view kRbacGroup = "rbac.authorization.k8s.io";

// What somebody wants to do. Views; they live as long as the call.
struct Action {
  std::string_view verb;
  std::string_view group, resource, subresource, ns, name;
  std::string_view field_selector;  // Of a list or watch, as in the query.
  std::string_view path;  // Of what is no resource; then the fields above but verb are empty.
};

struct Rule {
  std::vector<std::string> verbs, groups, resources, names, urls;

  bool allows(const Action& action) const;
  // {APIGroups:[""], Resources:["pods"], Verbs:["get"]}, as messages show it.
  std::string to_text() const;
  api::Value to_value() const;  // A PolicyRule.
};

using Rules = std::vector<Rule>;

// Of a Role's or ClusterRole's `rules`; what isn't text is left out.
Rules parse_rules(const api::Value& rules);

// What of `wanted` nobody who holds `held` may pass on: the smallest rules that are not covered.
Rules uncovered(const Rules& held, const Rules& wanted);

}  // namespace orch::rbac
