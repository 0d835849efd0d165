// certificate_admission: the rules of CertificateSigningRequests that need to see who asks: the
// author stands in the request, approving and signing need a right of their own, and nobody gets a
// certificate of system:masters this way.
// Follows: the CertificateApproval, CertificateSigning and CertificateSubjectRestriction plugins.
#pragma once

#include "api/json.h"
#include "base/clock.h"
#include "base/result.h"
#include "server/apiserver/authorize.h"
#include "server/apiserver/write.h"

namespace orch::apiserver {

// `old` is null for a create. Completes `object`. Of any other kind than the request: nothing.
Result<void> admit_certificate(const WriteRequest& request, const api::Value& old,
                               api::Value* object, const Authorizer& authorizer, WallTime now);

}  // namespace orch::apiserver
