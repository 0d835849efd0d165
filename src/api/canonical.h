// canonicalize: the one form in which an object is stored and sent, so that equal objects are equal
// bytes: fields in declared order, map keys sorted, unset fields left out or written as Go's
// encoder does it ("status":{}, "creationTimestamp":null). Pure.
#pragma once

#include "api/json.h"
#include "api/schema.h"

namespace orch::api {

// REQUIRES: `object` has the shapes of `type` (api/decode.h); fields that the type doesn't know are
// dropped. Idempotent.
Value canonicalize(const Type& type, Value object);

// True when Go would call the value of such a field its zero: "", 0, false, [] and {}, null.
bool is_zero(const Field& field, const Value& value);

}  // namespace orch::api
