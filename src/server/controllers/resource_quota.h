// resource_quota: keeps status.used of every ResourceQuota at what the objects of its namespace
// use. People and dashboards read it; what may come in is decided by the API server, which counts
// itself. Follows: "Resource Quotas".
#pragma once

#include <set>

#include "client/loop_runner.h"

namespace orch::controllers {

class ResourceQuotaController : public client::Reconciler {
 public:
  ResourceQuotaController(client::Api& api, const client::Cache& cache, const api::Schema& schema);

  std::string_view name() const override { return "resourcequota"; }
  std::vector<client::Watch> watches() override;
  // A key is a namespace: all its quotas are counted together.
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  Result<void> count(const api::Value& quota);

  client::Api& api_;
  const client::Cache& cache_;
  const api::Schema& schema_;
  const api::Resource& quotas_;
  std::set<std::string> limited_;  // Namespaces that have had a quota. Cache's thread only.
};

}  // namespace orch::controllers
