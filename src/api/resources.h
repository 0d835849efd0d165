// The built-in resources by name, for code that means one of them: resource::pods().
#pragma once

#include "api/schema.h"

namespace orch::api::resource {

const Resource& namespaces();
const Resource& nodes();
const Resource& pods();
const Resource& services();
const Resource& endpoints();
const Resource& endpoint_slices();
const Resource& config_maps();
const Resource& secrets();
const Resource& persistent_volumes();
const Resource& service_accounts();
const Resource& events();  // core/v1
const Resource& leases();
const Resource& deployments();
const Resource& replica_sets();

}  // namespace orch::api::resource
