#include "api/canonical.h"

#include <algorithm>

namespace orch::api {
namespace {

// Go's encoder never omits a struct that is held by value.
bool is_go_struct(const Field& field) {
  if (field.pointer) return false;
  switch (field.shape) {
    case Shape::object:
    case Shape::quantity:
    case Shape::int_or_string:
    case Shape::time:
    case Shape::micro_time:
    case Shape::duration:
    case Shape::any:
      return true;
    default:
      return false;
  }
}

// What is written for a field that is always written but not set.
Value zero_value(const Field& field) {
  if (field.pointer) return {};
  switch (field.shape) {
    case Shape::string:
      return "";
    case Shape::boolean:
      return false;
    case Shape::int32:
    case Shape::int64:
    case Shape::number:
    case Shape::int_or_string:
      return 0;
    case Shape::quantity:
      return "0";
    case Shape::duration:
      return "0s";
    case Shape::object:
      return canonicalize(*field.type, Value::object());
    default:
      return {};  // Lists, maps, bytes, times: null.
  }
}

bool is_always_written(const Field& field) {
  return field.required || field.always_written || is_go_struct(field);
}

bool by_name(const Value::Member& a, const Value::Member& b) { return a.name < b.name; }

bool is_canonical(const Type& type, const Value& object);

bool is_canonical_value(const Field& field, const Value& value) {
  if (value.is_null()) return true;
  switch (field.shape) {
    case Shape::object:
      return is_canonical(*field.type, value);
    case Shape::array:
      return std::all_of(value.items().begin(), value.items().end(), [&](const Value& item) {
        return is_canonical_value(*field.element, item);
      });
    case Shape::map: {
      const auto& members = value.members();
      if (!std::is_sorted(members.begin(), members.end(), by_name)) return false;
      return std::all_of(members.begin(), members.end(), [&](const Value::Member& member) {
        return is_canonical_value(*field.element, member.value);
      });
    }
    default:
      return true;
  }
}

// Whether canonicalize() would leave it as it is: most objects come from the store.
bool is_canonical(const Type& type, const Value& object) {
  if (!object.is_object()) return false;
  auto member = object.members().begin();
  const auto end = object.members().end();
  for (const Field& field : type.fields) {
    const bool always = is_always_written(field);
    if (member == end || member->name != field.name) {
      if (always) return false;
      continue;
    }
    const Value& value = (member++)->value;
    if (value.is_null() ? !always || !zero_value(field).is_null()
                        : !always && is_zero(field, value)) {
      return false;
    }
    if (!is_canonical_value(field, value)) return false;
  }
  return member == end;
}

Value canonical_value(const Field& field, Value value) {
  if (value.is_null()) return value;
  switch (field.shape) {
    case Shape::object:
      return canonicalize(*field.type, std::move(value));
    case Shape::array:
      if (value.is_array()) {
        for (Value& item : value.array_items()) {
          item = canonical_value(*field.element, std::move(item));
        }
      }
      return value;
    case Shape::map:
      if (value.is_object()) {
        auto& members = value.object_members();
        std::sort(members.begin(), members.end(), by_name);
        for (Value::Member& member : members) {
          member.value = canonical_value(*field.element, std::move(member.value));
        }
      }
      return value;
    default:
      return value;
  }
}

}  // namespace

bool is_zero(const Field& field, const Value& value) {
  if (value.is_null()) return true;
  if (field.pointer) return false;
  switch (field.shape) {
    case Shape::boolean:
      return !value.as_bool();
    case Shape::int32:
    case Shape::int64:
    case Shape::number:
      return value.as_double() == 0;
    case Shape::int_or_string:
      return value.is_string() ? value.empty() : value.as_int() == 0;
    case Shape::any:
      return false;
    default:
      return value.empty();
  }
}

Value canonicalize(const Type& type, Value object) {
  if (is_canonical(type, object)) return object;
  Value::Object members;
  members.reserve(object.size());
  size_t left = object.size();  // Members not met yet: most types have far more fields.
  for (const Field& field : type.fields) {
    Value* given = left > 0 ? object.find(field.name) : nullptr;
    if (given != nullptr) --left;
    const bool always = is_always_written(field);
    if (given == nullptr || given->is_null()) {
      if (always) members.push_back({field.name, zero_value(field)});
    } else if (always || !is_zero(field, *given)) {
      members.push_back({field.name, canonical_value(field, std::move(*given))});
    }
  }
  return Value(std::move(members));
}

}  // namespace orch::api
