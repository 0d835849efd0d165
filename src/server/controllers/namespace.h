// namespace: empties a namespace that is being deleted, then lets it go.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "api/json.h"
#include "base/clock.h"
#include "client/loop_runner.h"

namespace orch::controllers {

inline constexpr const char* kNamespaceFinalizer = "kubernetes";

// What goes on existing for now (graceful pods, finalizers): how many of each.
struct NamespaceRemains {
  std::map<std::string, size_t> resources;   // "pods", "deployments.apps"
  std::map<std::string, size_t> finalizers;  // Of what remains.
};

// The conditions that say why a namespace is not gone yet. Pure.
api::Value plan_namespace_conditions(const api::Value& space, const NamespaceRemains& remains,
                                     WallTime now);

class NamespaceController : public client::Reconciler {
 public:
  // `contents`: every namespaced resource that can be deleted, in the order of deletion.
  NamespaceController(client::Api& api, const client::Cache& cache, const Clock& clock,
                      std::vector<const api::Resource*> contents)
      : api_(api), cache_(cache), clock_(clock), contents_(std::move(contents)) {}

  std::string_view name() const override { return "namespace"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  Result<void> empty_resource(const api::Resource& resource, const std::string& ns,
                              NamespaceRemains* remains);
  Result<void> tell(const api::Value& space, const NamespaceRemains& remains);

  client::Api& api_;
  const client::Cache& cache_;
  const Clock& clock_;
  const std::vector<const api::Resource*> contents_;
};

}  // namespace orch::controllers
