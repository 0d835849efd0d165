// protobuf: reads the binary form in which typed Go clients (kubectl create, controllers) send
// objects, led by the field numbers of the schema. Answers are always JSON, which those clients
// accept beside it; so there is no writer. Pure.
// Follows: Kubernetes' "Protobuf encoding" (magic, runtime.Unknown), protobuf's wire format.
#pragma once

#include <string_view>

#include "api/json.h"
#include "api/schema.h"
#include "base/result.h"

namespace orch::api {

// The document with apiVersion and kind, as JSON would have brought it; fields that the schema
// doesn't know are skipped. 400 for bytes that are no such message, or of an unknown kind.
Result<Value> parse_protobuf(const Schema& schema, std::string_view bytes);

}  // namespace orch::api
