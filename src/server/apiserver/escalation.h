// escalation: nobody gives away more than he has. Whoever writes a role must hold all that it
// allows (or the verb `escalate` on it); whoever writes a binding, all that its role allows (or the
// verb `bind` on the role). PURE. Follows: Kubernetes' "Privilege escalation prevention and
// bootstrapping".
#pragma once

#include "server/apiserver/authorize.h"
#include "server/apiserver/write.h"

namespace orch::apiserver {

// `old` is null when the object is created. 403 with the rules that are missing; 404 when a binding
// refers to no role. Nothing to say about other kinds.
Result<void> check_escalation(const WriteRequest& request, const api::Value& old,
                              const api::Value& object, const Authorizer& authorizer,
                              const rbac::Policy& policy);

}  // namespace orch::apiserver
