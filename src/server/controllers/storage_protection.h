// storage_protection: a PersistentVolumeClaim that pods use, or a PersistentVolume that is bound,
// is not lost by its deletion: it carries a finalizer from its start, which is taken off here once
// it is being deleted and nobody uses it any more. Follows: "Storage Object in Use Protection".
#pragma once

#include "client/loop_runner.h"

namespace orch::controllers {

class ClaimProtectionController : public client::Reconciler {
 public:
  ClaimProtectionController(client::Api& api, const client::Cache& cache,
                            const api::Schema& schema);
  std::string_view name() const override { return "pvcprotection"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  client::Api& api_;
  const client::Cache& cache_;
  const api::Resource& claims_;
};

class VolumeProtectionController : public client::Reconciler {
 public:
  VolumeProtectionController(client::Api& api, const client::Cache& cache,
                             const api::Schema& schema);
  std::string_view name() const override { return "pvprotection"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  client::Api& api_;
  const client::Cache& cache_;
  const api::Resource& volumes_;
};

}  // namespace orch::controllers
