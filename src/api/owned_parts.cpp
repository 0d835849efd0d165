#include "api/owned_parts.h"

#include <algorithm>

namespace orch::api {

Parts parts_of(const Field& field) {
  switch (field.shape) {
    case Shape::object:
      return field.atomic_map || field.type->atomic ? Parts::none : Parts::fields;
    case Shape::map:
      return field.atomic_map ? Parts::none : Parts::entries;
    case Shape::array:
      if (field.list_kind == Field::ListKind::map) return Parts::keyed;
      return field.list_kind == Field::ListKind::set ? Parts::values : Parts::none;
    default:
      return Parts::none;
  }
}

Field root_of(const Type& type) {
  Field root;
  root.shape = Shape::object;
  root.type = &type;
  return root;
}

const Field* inside(const Field& field, const std::string& name) {
  return field.shape == Shape::object ? field.type->find(name) : field.element.get();
}

PathStep step_of(const Field& list, const Value& item) {
  PathStep step;
  if (list.list_kind == Field::ListKind::set) {
    step.kind = PathStep::Kind::value;
    step.value = item;
    return step;
  }
  step.kind = PathStep::Kind::key;
  step.value = Value::object();
  for (const std::string& key : list.list_keys) {
    const Value* given = item.find(key);
    const Field* field = list.element->type ? list.element->type->find(key) : nullptr;
    if ((given == nullptr || given->is_null()) && field != nullptr && field->has_default) {
      given = &field->default_value;
    }
    step.value.set(key, given == nullptr ? Value() : *given);
  }
  auto& members = step.value.object_members();
  std::sort(members.begin(), members.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  return step;
}

}  // namespace orch::api
