#include "api/resources.h"

#include "base/check.h"

namespace orch::api::resource {
namespace {

const Resource& named(std::string_view group, std::string_view version, std::string_view plural) {
  const Resource* found = Schema::builtin().find(group, version, plural);
  ORCH_CHECK(found != nullptr);
  return *found;
}

}  // namespace

// Each looks its row up once; rows live as long as the process.
#define ORCH_RESOURCE(function, group, version, plural)           \
  const Resource& function() {                                    \
    static const Resource& found = named(group, version, plural); \
    return found;                                                 \
  }

ORCH_RESOURCE(namespaces, "", "v1", "namespaces")
ORCH_RESOURCE(nodes, "", "v1", "nodes")
ORCH_RESOURCE(pods, "", "v1", "pods")
ORCH_RESOURCE(services, "", "v1", "services")
ORCH_RESOURCE(endpoints, "", "v1", "endpoints")
ORCH_RESOURCE(endpoint_slices, "discovery.k8s.io", "v1", "endpointslices")
ORCH_RESOURCE(config_maps, "", "v1", "configmaps")
ORCH_RESOURCE(secrets, "", "v1", "secrets")
ORCH_RESOURCE(persistent_volumes, "", "v1", "persistentvolumes")
ORCH_RESOURCE(service_accounts, "", "v1", "serviceaccounts")
ORCH_RESOURCE(events, "", "v1", "events")
ORCH_RESOURCE(leases, "coordination.k8s.io", "v1", "leases")
ORCH_RESOURCE(deployments, "apps", "v1", "deployments")
ORCH_RESOURCE(replica_sets, "apps", "v1", "replicasets")

#undef ORCH_RESOURCE

}  // namespace orch::api::resource
