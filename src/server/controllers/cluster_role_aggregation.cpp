// See cluster_role_aggregation.h. Workers of the LoopRunner call it.
#include "server/controllers/cluster_role_aggregation.h"

#include <algorithm>

#include "api/selector.h"
#include "base/check.h"
#include "server/controllers/objects.h"

namespace orch::controllers {

using api::Value;
using client::ObjectKey;
using client::Requeue;

namespace {

bool selects(const Value& aggregated, const Value& role) {
  const api::Labels labels = api::labels_of(role);
  for (const Value& each : aggregated["aggregationRule"]["clusterRoleSelectors"].items()) {
    const auto selector = api::LabelSelector::from_object(each);
    if (selector && selector->matches(labels)) return true;
  }
  return false;
}

}  // namespace

Value plan_aggregated_rules(const Value& aggregated, const std::vector<Value>& roles) {
  std::vector<const Value*> sources;
  for (const Value& role : roles) {
    if (name_of(role) != name_of(aggregated) && selects(aggregated, role)) sources.push_back(&role);
  }
  std::sort(sources.begin(), sources.end(),
            [](const Value* a, const Value* b) { return name_of(*a) < name_of(*b); });
  Value rules = Value::array();
  for (const Value* source : sources) {
    for (const Value& rule : (*source)["rules"].items()) {
      const auto& known = rules.items();
      if (std::find(known.begin(), known.end(), rule) == known.end()) rules.push_back(rule);
    }
  }
  return rules;
}

ClusterRoleAggregationController::ClusterRoleAggregationController(client::Api& api,
                                                                   const client::Cache& cache,
                                                                   const api::Schema& schema)
    : api_(api),
      cache_(cache),
      cluster_roles_(*schema.find_kind("rbac.authorization.k8s.io/v1", "ClusterRole")) {}

std::vector<client::Watch> ClusterRoleAggregationController::watches() {
  const auto all = [](const client::ChangedObject&) { return std::vector{ObjectKey{"", "all"}}; };
  return {{&cluster_roles_, all}};
}

Result<Requeue> ClusterRoleAggregationController::reconcile(const ObjectKey&) {
  const std::vector<Value> roles = cache_.list(cluster_roles_);
  for (const Value& role : roles) {
    if (role["aggregationRule"].is_null() || is_deleting(role)) continue;
    Value rules = plan_aggregated_rules(role, roles);
    if (rules == role["rules"] || (rules.empty() && role["rules"].empty())) continue;
    Value changed = role;
    changed.set("rules", std::move(rules));
    ORCH_TRY(api_.update(cluster_roles_, changed));
  }
  return Requeue::never();
}

}  // namespace orch::controllers
