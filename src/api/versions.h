// versions: kinds that the API speaks in two versions. The objects lie in the store in one of them
// (`storage=` in the row of the other); the other is a view, made when it is asked for. Pure.
// Called wherever the server takes a document in or gives one out.
#pragma once

#include "api/json.h"
#include "api/schema.h"

namespace orch::api {

// From the form of `resource` to that of its stored version, and back, kind and apiVersion
// included. Nothing happens when `resource` is the stored version itself.
// REQUIRES: decoded (api/decode.h), but it need not be whole.
Value to_stored(const Resource& resource, Value object);
Value from_stored(const Resource& resource, Value object);

}  // namespace orch::api
