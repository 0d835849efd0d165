// Defaults: what an object means by the fields that it leaves out. Constants stand in the tables
// (default=), rules of nested types in defaults.cpp, rules of whole kinds in their hooks. Pure.
#pragma once

#include "api/json.h"
#include "api/schema.h"

namespace orch::api {

// REQUIRES: a decoded document. Idempotent.
void apply_defaults(const Type& type, Value* object);
// The same and the rules of the kind. This is what requests go through.
void apply_defaults(const Resource& resource, Value* object);

}  // namespace orch::api
