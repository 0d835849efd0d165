// endpoint_slice: keeps the EndpointSlices of every service with a selector. At most 100 pods in
// one slice; pods with different ports (a named target port) in different slices.
#pragma once

#include "client/loop_runner.h"
#include "server/controllers/service_backends.h"

namespace orch::controllers {

inline constexpr size_t kMaxEndpointsPerSlice = 100;
inline constexpr const char* kServiceNameLabel = "kubernetes.io/service-name";
inline constexpr const char* kSliceManagedByLabel = "endpointslice.kubernetes.io/managed-by";
inline constexpr const char* kSliceController = "endpointslice-controller.k8s.io";

struct SlicePlan {
  std::vector<api::Value> create, update;
  std::vector<const api::Value*> remove;  // Into `present`.
};
SlicePlan plan_slices(const api::Value& service, const std::vector<Backend>& backends,
                      const std::vector<api::Value>& present);

class EndpointSliceController : public client::Reconciler {
 public:
  EndpointSliceController(client::Api& api, const client::Cache& cache)
      : api_(api), cache_(cache) {}

  std::string_view name() const override { return "endpointslice"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  client::Api& api_;
  const client::Cache& cache_;
  ServiceSelectors selectors_;
};

}  // namespace orch::controllers
