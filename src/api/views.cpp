#include "api/views.h"

namespace orch::api {
namespace {

const Value kNothing;

}  // namespace

std::vector<ViewField>& view_fields() {
  static std::vector<ViewField> fields;
  return fields;
}

const Value& ObjectMeta::controller() const {
  for (const Value& owner : owners()) {
    if (owner["controller"].as_bool()) return owner;
  }
  return kNothing;
}

bool Pod::is_ready() const {
  return find_condition(conditions(), "Ready")["status"].as_string() == "True";
}

const Value& find_condition(const Array& conditions, std::string_view type) {
  for (const Value& condition : conditions) {
    if (condition["type"].as_string() == type) return condition;
  }
  return kNothing;
}

}  // namespace orch::api
