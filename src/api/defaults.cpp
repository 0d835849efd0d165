#include "api/defaults.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "api/canonical.h"
#include "api/hooks.h"

namespace orch::api {
namespace {

// An image without tag and digest, or of tag latest, is pulled always; others when missing.
void default_pull_policy(Value& container) {
  const Value& given = container;
  if (!given["imagePullPolicy"].empty()) return;
  const std::string name = given["image"].as_string();
  std::string_view image = name;
  const bool digest = image.find('@') != std::string_view::npos;
  image = image.substr(0, image.find('@'));
  const size_t slash = image.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? image : image.substr(slash + 1);
  const size_t colon = last.find(':');
  const bool tagged = colon != std::string_view::npos;
  const bool latest = tagged ? last.substr(colon + 1) == "latest" : !digest;
  container.set("imagePullPolicy", latest ? "Always" : "IfNotPresent");
}

// A volume without a source is an empty directory.
void default_volume(const Type& type, Value& volume) {
  for (const Field& field : type.fields) {
    if (field.shape == Shape::object && !std::as_const(volume)[field.name].is_null()) return;
  }
  volume.set("emptyDir", Value::object());
}

// serviceAccount is the old name of serviceAccountName; readers of either find it.
void default_service_account(Value& spec) {
  const Value& given = spec;
  const std::string name = given["serviceAccountName"].empty()
                               ? given["serviceAccount"].as_string()
                               : given["serviceAccountName"].as_string();
  if (name.empty()) return;
  spec.set("serviceAccountName", name);
  spec.set("serviceAccount", name);
}

bool has_type_rules(const Type& type) {
  return type.name == "core/v1.Container" || type.name == "core/v1.EphemeralContainer" ||
         type.name == "core/v1.Volume" || type.name == "core/v1.PodSpec";
}

// Rules that hold wherever the type occurs.
void apply_type_rules(const Type& type, Value& object) {
  if (!has_type_rules(type)) return;
  if (type.name == "core/v1.Container" || type.name == "core/v1.EphemeralContainer") {
    default_pull_policy(object);
  } else if (type.name == "core/v1.Volume") {
    default_volume(type, object);
  } else if (type.name == "core/v1.PodSpec") {
    default_service_account(object);
  }
}

// Of each type the fields that have a default or hold something that has: few of many, and every
// write asks. Types of other schemas than the built-in one are walked whole.
class DefaultFields {
 public:
  using Fields = std::vector<const Field*>;

  DefaultFields() {
    const auto& types = Schema::builtin().types();
    std::unordered_set<const Type*> with_defaults;
    const auto matters = [&](const Field& field) {
      const bool holds_others = field.shape == Shape::array || field.shape == Shape::map;
      const Field& inner = holds_others ? *field.element : field;
      return field.has_default ||
             (inner.shape == Shape::object && with_defaults.contains(inner.type));
    };
    for (bool grown = true; grown;) {  // Types hold each other, so until nothing is found any more.
      grown = false;
      for (const Type* type : types) {
        if (has_type_rules(*type) || std::any_of(type->fields.begin(), type->fields.end(), matters))
          grown |= with_defaults.insert(type).second;
      }
    }
    for (const Type* type : types) {
      Fields& fields = by_type_[type];
      for (const Field& field : type->fields) {
        if (matters(field)) fields.push_back(&field);
      }
    }
  }

  // Null: look at all.
  const Fields* of(const Type& type) const {
    const auto found = by_type_.find(&type);
    return found == by_type_.end() ? nullptr : &found->second;
  }

 private:
  std::unordered_map<const Type*, Fields> by_type_;
};

void fill(const Type& type, Value& object);

void fill_value(const Field& field, Value& value) {
  if (field.shape == Shape::object && value.is_object()) {
    fill(*field.type, value);
  } else if (field.shape == Shape::array && value.is_array()) {
    if (field.element->shape != Shape::object) return;
    for (Value& item : value.array_items()) fill_value(*field.element, item);
  } else if (field.shape == Shape::map && value.is_object()) {
    if (field.element->shape != Shape::object) return;
    for (Value::Member& member : value.object_members()) fill_value(*field.element, member.value);
  }
}

void fill_field(const Field& field, Value& object) {
  Value* value = object.find(field.name);
  if (field.has_default && (value == nullptr || is_zero(field, *value))) {
    object.set(field.name, field.default_value);
    value = object.find(field.name);
  }
  if (value != nullptr && !value->is_null()) {
    fill_value(field, *value);
  } else if (field.shape == Shape::object && !field.pointer) {
    // A struct held by value is always there, so its defaults are too.
    Value made = Value::object();
    fill(*field.type, made);
    if (!made.empty()) object.set(field.name, std::move(made));
  }
}

void fill(const Type& type, Value& object) {
  static const DefaultFields* const builtin = new DefaultFields;  // Lives as long as the process.
  if (const DefaultFields::Fields* fields = builtin->of(type)) {
    for (const Field* field : *fields) fill_field(*field, object);
  } else {
    for (const Field& field : type.fields) fill_field(field, object);
  }
  apply_type_rules(type, object);
}

}  // namespace

void apply_defaults(const Type& type, Value* object) { fill(type, *object); }

void apply_defaults(const Resource& resource, Value* object) {
  fill(*resource.type, *object);
  if (const Hook* hook = find_hook(resource.hook); hook != nullptr && hook->defaults != nullptr) {
    hook->defaults(*object);
  }
}

}  // namespace orch::api
