// reviews: questions that are posted like objects and answered at once: who am I, may I, is this
// token good. Follows: authentication.k8s.io/v1, authorization.k8s.io/v1.
#pragma once

#include "api/json.h"
#include "base/result.h"
#include "server/apiserver/authenticate.h"
#include "server/apiserver/authorize.h"
#include "server/apiserver/route.h"

namespace orch::apiserver {

// The posted document with its status filled in. 404 for a kind that is no review.
Result<api::Value> answer_review(const Target& target, const User& user, api::Value review,
                                 const Authenticator& authenticator, const Authorizer& authorizer,
                                 const rbac::Policy& policy);

}  // namespace orch::apiserver
