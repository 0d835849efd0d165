// node_password: with a Node goes the Secret by which a machine owns its name (apiserver/join.h
// makes it): the name is free again.
#pragma once

#include "client/loop_runner.h"

namespace orch::controllers {

class NodePasswordController : public client::Reconciler {
 public:
  NodePasswordController(client::Api& api, const client::Cache& cache) : api_(api), cache_(cache) {}

  std::string_view name() const override { return "nodepassword"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  client::Api& api_;
  const client::Cache& cache_;
};

}  // namespace orch::controllers
