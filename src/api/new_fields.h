// new_fields: the owners' FieldsV1 of an object that is created, as text. It says what comparing
// the object with an empty one would (ownership.h), but a create is too frequent to build sets for
// it. Pure. Called by api/apply.cpp alone.
#pragma once

#include <string>

#include "api/field_set.h"
#include "api/schema.h"

namespace orch::api {

// What `object` has that an empty object of the type hasn't; "" when there is nothing. Members of
// `left_out` that have nothing below them are left out, with all that is below them.
// REQUIRES: canonical.
std::string new_fields(const Type& type, const Value& object, const FieldSet& left_out);

}  // namespace orch::api
