// endpoints: keeps the Endpoints object of every service with a selector: the addresses of its
// pods, ready and not ready, by ports.
#pragma once

#include "base/clock.h"
#include "client/loop_runner.h"
#include "server/controllers/service_backends.h"

namespace orch::controllers {

// Marks Endpoints as this controller's; the value is when their addresses last changed.
inline constexpr const char* kChangeTimeAnnotation =
    "endpoints.kubernetes.io/last-change-trigger-time";
// More addresses than this are left out and the object is annotated as over capacity.
inline constexpr size_t kMaxEndpointAddresses = 1000;

// The subsets for a service: backends with the same ports together, sorted. Terminating pods are
// not among them unless the service publishes all.
api::Value plan_endpoint_subsets(const api::Value& service, const std::vector<Backend>& backends);

class EndpointsController : public client::Reconciler {
 public:
  EndpointsController(client::Api& api, const client::Cache& cache, const Clock& clock)
      : api_(api), cache_(cache), clock_(clock) {}

  std::string_view name() const override { return "endpoints"; }
  std::vector<client::Watch> watches() override;
  Result<client::Requeue> reconcile(const client::ObjectKey& key) override;

 private:
  client::Api& api_;
  const client::Cache& cache_;
  const Clock& clock_;
  ServiceSelectors selectors_;
};

}  // namespace orch::controllers
