// bootstrap_policy: the roles and bindings that every cluster starts with, as objects. PURE.
//
// They are told by two small tables, one entry a line, more of it on lines that are indented by
// four:
//
//   clusterrole NAME [+LABEL ...] [from=LABEL]   +x: its rules go into the role that has from=x
//   role NAMESPACE/NAME
//     VERBS GROUPS: RESOURCES [of NAMES]         the core group is called `core`
//     VERBS url: PATHS
//   clusterbinding NAME [to=ROLE]                of the ClusterRole of the same name unless told
//   binding NAMESPACE/NAME [to=ROLE]
//     KIND:NAME                                  a subject; ServiceAccount:NAMESPACE/NAME
//   controller NAME                              a ClusterRole system:controller:NAME, bound to the
//                                                service account kube-system/NAME
#pragma once

#include <string_view>
#include <vector>

#include "api/json.h"

namespace orch::rbac {

inline constexpr std::string_view kAutoUpdate = "rbac.authorization.kubernetes.io/autoupdate";

// Objects with kind, apiVersion and metadata, roles before what binds them.
std::vector<api::Value> bootstrap_policy();

// What `stored` becomes when everything of `wanted` is added that it lacks: rules, subjects, the
// aggregation. Null: it lacks nothing, or its annotation autoupdate is "false".
api::Value with_bootstrap(const api::Value& stored, const api::Value& wanted);

// The tables.
std::string_view bootstrap_roles();
std::string_view bootstrap_controllers();

}  // namespace orch::rbac
