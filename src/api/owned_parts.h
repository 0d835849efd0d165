// owned_parts: into what a field's value falls that can be owned one by one. Pure. Shared by
// ownership.cpp and new_fields.cpp.
#pragma once

#include <string>

#include "api/field_set.h"
#include "api/schema.h"

namespace orch::api {

// How the parts of a field's value are owned.
enum class Parts { none, fields, entries, keyed, values };
Parts parts_of(const Field& field);
inline bool is_list(Parts parts) { return parts == Parts::keyed || parts == Parts::values; }

// The root as a field that holds a struct, so that there is one walk only.
Field root_of(const Type& type);
// The field behind a member; nullptr when the type doesn't know it.
const Field* inside(const Field& field, const std::string& name);
// The key of a list map's item; a part that isn't given is its default, or null without one.
PathStep step_of(const Field& list, const Value& item);

}  // namespace orch::api
