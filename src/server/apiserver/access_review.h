// access_review: what the SubjectAccessReview kinds ask, read and checked. PURE.
// Follows: authorization.k8s.io/v1, KEP-4601 (field and label selectors).
#pragma once

#include <string>

#include "api/json.h"
#include "base/result.h"
#include "server/apiserver/authorize.h"

namespace orch::apiserver {

// `action` has views into the review and into `field_selector`.
struct AskedAction {
  Action action;
  std::string field_selector;
};

// The action of `review`, which must outlive it. 422 in Kubernetes' words for a question that is
// none; `kind` tells which of the kinds it is.
Result<void> read_access_review(const std::string& kind, const api::Value& review,
                                AskedAction* asked);

// Whom a SubjectAccessReview asks about.
User reviewed_user(const api::Value& spec);

}  // namespace orch::apiserver
