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

void settle(const Type& type, Value::Object* members);

void settle(const Field& field, Value* value) {
  switch (field.shape) {
    case Shape::object:
      if (value->is_null()) break;
      if (!value->is_object()) *value = Value::object();
      settle(*field.type, &value->object_members());
      break;
    case Shape::array:
      if (!value->is_array()) break;
      for (Value& item : value->array_items()) settle(*field.element, &item);
      break;
    case Shape::map:
      if (!value->is_object()) break;
      if (auto& members = value->object_members(); !std::ranges::is_sorted(members, by_name)) {
        std::ranges::sort(members, by_name);
      }
      for (Value::Member& member : value->object_members()) settle(*field.element, &member.value);
      break;
    default:
      break;
  }
}

// Field by field, in place: those before `at` are done. Most objects come from the store, where the
// next member is the one that is looked for.
void settle(const Type& type, Value::Object* members) {
  size_t at = 0;
  for (const Field& field : type.fields) {
    size_t found = at;
    while (found < members->size() && (*members)[found].name != field.name) ++found;
    const bool always = is_always_written(field), given = found < members->size();
    if (!given && !always) continue;
    if (!given) members->push_back({field.name, zero_value(field)});
    if (found != at) std::swap((*members)[at], (*members)[found]);
    Value& value = (*members)[at].value;
    if (!always && is_zero(field, value)) {
      std::swap((*members)[at], members->back());
      members->pop_back();
      continue;
    }
    if (value.is_null()) value = zero_value(field);
    if (given) settle(field, &value);
    ++at;
  }
  members->resize(at);  // What the type doesn't know.
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
  if (!object.is_object()) object = Value::object();
  settle(type, &object.object_members());
  return object;
}

}  // namespace orch::api
