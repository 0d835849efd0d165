// namespace: empties a namespace that is being deleted, then lets it go.
#pragma once

#include <vector>

#include "client/loop_runner.h"

namespace orch::controllers {

inline constexpr const char* kNamespaceFinalizer = "kubernetes";

class NamespaceController : public client::Reconciler {
 public:
  // `contents`: every namespaced resource that can be deleted, in the order of deletion.
  NamespaceController(client::Api& api, const client::Cache& cache,
                      std::vector<const api::Resource*> contents)
      : api_(api), cache_(cache), contents_(std::move(contents)) {}

  std::string_view name() const override { return "namespace"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  Result<size_t> empty_resource(const api::Resource& resource, const std::string& ns);

  client::Api& api_;
  const client::Cache& cache_;
  const std::vector<const api::Resource*> contents_;
};

}  // namespace orch::controllers
