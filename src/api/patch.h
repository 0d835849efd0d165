// The three patches that change an object in place. Pure: document in, document out.
// REQUIRES for all: `document` is the current object; it is consumed. Failures are Statuses as
// kube-apiserver words them: 400 for a patch that can't be read, 422 for one that does not apply.
#pragma once

#include "api/json.h"
#include "api/schema.h"
#include "base/result.h"

namespace orch::api {

// At most this many operations in one JSON patch.
inline constexpr size_t kMaxPatchOperations = 10'000;

// RFC 6902, with RFC 6901 pointers.
Result<Value> apply_json_patch(Value document, const Value& patch);

// RFC 7386.
Result<Value> apply_merge_patch(Value document, const Value& patch);

// Kubernetes' strategic merge: lists merge by the keys that the schema names, with the directives
// $patch (replace, merge, delete), $retainKeys, $deleteFromPrimitiveList and $setElementOrder.
// Follows: community/contributors/devel/sig-api-machinery/strategic-merge-patch.md
Result<Value> apply_strategic_patch(const Type& type, Value document, const Value& patch);

}  // namespace orch::api
