// impersonate: requests on another's behalf: Impersonate-User, -Group, -Uid and -Extra-*. Whoever
// sends them needs the verb `impersonate` on each of what he asks to be. PURE.
// Follows: Kubernetes' "User impersonation".
#pragma once

#include "base/result.h"
#include "http/http.h"
#include "server/apiserver/authorize.h"
#include "server/apiserver/user.h"

namespace orch::apiserver {

// `user` himself when the request names no other. 403 when he may not, 500 (as Kubernetes answers)
// when a user is missing beside the rest.
Result<User> impersonated(User user, const http::Request& request, const Authorizer& authorizer);

}  // namespace orch::apiserver
