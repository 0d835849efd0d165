// body_errors: why a body or a patch can't be used, in kube-apiserver's words, which clients and
// their tests match on. PURE.
#pragma once

#include <string_view>

#include "api/json.h"
#include "base/status.h"
#include "server/apiserver/write.h"

namespace orch::apiserver {

// The body is no object of any kind: it says how the text begins.
Status unrecognized(std::string_view kind, const Status& why, std::string_view body);

// The document must be of the resource's kind and version, or say neither.
Result<void> check_kind(const api::Resource& resource, const api::Value& document);

// What a patch other than an apply makes of `document`.
Result<api::Value> patch_document(const WriteRequest& request, api::Value document);

// Whether `why` is decode()'s of an object of that kind.
bool is_decode_failure(const api::Resource& resource, const Status& why);
// The patch went in, but what came out (`document`) can't be decoded; `why` is decode()'s.
Status unfit_patch(const WriteRequest& request, const api::Value& document, const Status& why);

}  // namespace orch::apiserver
