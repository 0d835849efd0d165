// bootstrap_roles: the roles and bindings that every cluster has (server/rbac/bootstrap_policy.h),
// written at start: those that are missing, and what is missing in those that stand. Nothing is
// ever taken away. Called once, by ApiServer::start.
#pragma once

#include "base/result.h"
#include "server/apiserver/registry.h"

namespace orch::apiserver {

// Blocking; the namespaces stand. All writes share few commits of the store.
Result<void> bootstrap_roles(const store::Store& store, Registry& registry);

}  // namespace orch::apiserver
