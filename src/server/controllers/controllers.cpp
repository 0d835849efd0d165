// See controllers.h.
#include "server/controllers/controllers.h"

#include "api/resources.h"
#include "base/check.h"
#include "server/controllers/certificates.h"
#include "server/controllers/cluster_role_aggregation.h"
#include "server/controllers/deployment.h"
#include "server/controllers/disruption.h"
#include "server/controllers/endpoint_slice.h"
#include "server/controllers/endpoints.h"
#include "server/controllers/garbage_collector.h"
#include "server/controllers/leader_lease.h"
#include "server/controllers/namespace.h"
#include "server/controllers/node_lifecycle.h"
#include "server/controllers/node_password.h"
#include "server/controllers/replica_set.h"
#include "server/controllers/resource_quota.h"
#include "server/controllers/secret_tokens.h"
#include "server/controllers/service_account.h"
#include "server/controllers/storage_protection.h"

namespace orch::controllers {

namespace {

constexpr const char* kEventComponent = "controllermanager";

std::vector<const api::Resource*> deletable_resources(const api::Schema& schema,
                                                      bool namespaced_only) {
  std::vector<const api::Resource*> out;
  for (const api::Resource* resource : schema.resources())
    if (!resource->storage_prefix.empty() && resource->storage == nullptr &&
        resource->has_verb("delete") && (resource->namespaced || !namespaced_only))
      out.push_back(resource);
  return out;
}

// Events own nothing and are owned by nothing; there are many of them.
std::vector<const api::Resource*> owning_resources(const api::Schema& schema) {
  auto resources = deletable_resources(schema, false);
  std::erase_if(resources, [](const api::Resource* each) { return each->plural == "events"; });
  return resources;
}

}  // namespace

std::vector<std::unique_ptr<client::Reconciler>> make_controllers(
    const ControllerWorld& world, const ControllerOptions& options) {
  auto& [api, cache, schema, events, clock] = world;
  std::vector<std::unique_ptr<client::Reconciler>> all;
  all.push_back(std::make_unique<ReplicaSetController>(api, cache, events, clock));
  all.push_back(std::make_unique<DeploymentController>(api, cache, events, clock));
  all.push_back(std::make_unique<EndpointsController>(api, cache, clock));
  all.push_back(std::make_unique<EndpointSliceController>(api, cache));
  all.push_back(
      std::make_unique<NamespaceController>(api, cache, clock, deletable_resources(schema, true)));
  all.push_back(std::make_unique<ServiceAccountController>(api, cache, options.ca.certificate));
  all.push_back(std::make_unique<CertificateApprovalController>(api, cache, schema, clock));
  all.push_back(
      std::make_unique<CertificateSigningController>(api, cache, schema, clock, options.ca));
  all.push_back(std::make_unique<CertificateCleanupController>(api, cache, schema, clock));
  all.push_back(std::make_unique<NodePasswordController>(api, cache));
  all.push_back(std::make_unique<BootstrapTokenController>(api, cache, clock));
  if (!options.token_key.empty()) {
    auto signer = crypto::TokenSigner::create(options.token_key);
    ORCH_CHECK(signer.ok());  // The API server signs with it, too.
    all.push_back(std::make_unique<AccountTokenController>(api, cache, options.ca.certificate,
                                                           *std::move(signer)));
  }
  all.push_back(std::make_unique<ClusterRoleAggregationController>(api, cache, schema));
  all.push_back(std::make_unique<DisruptionController>(api, cache, schema, clock));
  all.push_back(std::make_unique<ResourceQuotaController>(api, cache, schema));
  all.push_back(std::make_unique<ClaimProtectionController>(api, cache, schema));
  all.push_back(std::make_unique<VolumeProtectionController>(api, cache, schema));
  all.push_back(std::make_unique<GarbageCollector>(api, cache, schema, owning_resources(schema)));
  all.push_back(
      std::make_unique<NodeLifecycleController>(api, cache, events, clock, options.cluster_cidr));
  all.push_back(std::make_unique<LeaderLeaseController>(api, cache, clock, options.holder,
                                                        options.leader_leases));
  return all;
}

Controllers::Controllers(client::Api& api, client::Cache& cache, const api::Schema& schema,
                         const Clock& clock, Random& random, ControllerOptions options)
    : options_(std::move(options)),
      events_(api, clock, random, {kEventComponent, ""}),
      runner_(api, cache, clock) {
  for (auto& controller :
       make_controllers({runner_.api(), cache, schema, events_, clock}, options_))
    runner_.add(std::move(controller));
}

void Controllers::start() { runner_.start(options_.threads); }

void Controllers::stop() { runner_.stop(); }

}  // namespace orch::controllers
