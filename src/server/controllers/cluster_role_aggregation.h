// cluster_role_aggregation: a ClusterRole with an aggregationRule holds the rules of all
// ClusterRoles that its selectors match: admin, edit and view grow with every role that asks to be
// part of them.
// Follows: rbac.authorization.k8s.io/v1 AggregationRule.
#pragma once

#include "client/loop_runner.h"

namespace orch::controllers {

// The union of the rules of those of `roles` that `aggregated` selects, in the order of their
// names, each rule once. PURE.
api::Value plan_aggregated_rules(const api::Value& aggregated,
                                 const std::vector<api::Value>& roles);

class ClusterRoleAggregationController : public client::Reconciler {
 public:
  ClusterRoleAggregationController(client::Api& api, const client::Cache& cache,
                                   const api::Schema& schema);

  std::string_view name() const override { return "clusterroleaggregation"; }
  std::vector<client::Watch> watches() override;
  // Any change of any role may matter to any other: there is one key, for all of them.
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  client::Api& api_;
  const client::Cache& cache_;
  const api::Resource& cluster_roles_;
};

}  // namespace orch::controllers
