#include "api/strategy.h"

#include <algorithm>
#include <utility>

#include "api/canonical.h"
#include "api/hooks.h"
#include "api/metadata.h"

namespace orch::api {
namespace {

constexpr std::string_view kStatus = "status";

// The doors to status. A hook says what a narrower one (/approval) lets through.
bool writes_status(std::string_view subresource) {
  return subresource == kStatus || subresource == "approval";
}

// Takes `name` over from `old`, or removes it when it isn't there.
void keep(Value* object, const Value& old, std::string_view name) {
  const Value* value = old.find(name);
  if (value == nullptr) {
    object->remove(name);
    return;
  }
  // Equal already, as nearly always: a comparison costs far less than a copy.
  if (const Value* mine = std::as_const(*object).find(name); mine && *mine == *value) return;
  object->set(name, *value);
}

bool has_status(const Resource& resource) { return resource.find_subresource(kStatus) != nullptr; }

// uid and creationTimestamp may be left out by clients; a deletion once begun is never undone.
void keep_identity(Value* object, const Value& old) {
  Value& metadata = (*object)["metadata"];
  if (metadata.is_null()) metadata = Value::object();
  const Value& old_metadata = old["metadata"];
  for (const char* name : {"uid", "creationTimestamp", "namespace", "name"}) {
    if (std::as_const(metadata)[name].empty()) keep(&metadata, old_metadata, name);
  }
  keep(&metadata, old_metadata, "generation");
  if (!old_metadata["deletionTimestamp"].is_null()) {
    keep(&metadata, old_metadata, "deletionTimestamp");
    keep(&metadata, old_metadata, "deletionGracePeriodSeconds");
  }
}

// Everything but status is as it was; of metadata, only what isn't an owner's may change.
void keep_all_but_status(const Resource& resource, const Value& old, Value* object) {
  for (const Field& field : resource.type->fields) {
    if (field.name != kStatus && field.name != "metadata") keep(object, old, field.name);
  }
  keep(&(*object)["metadata"], old["metadata"], "ownerReferences");
}

// Equal in canonical form: defaults and absent zeros make no difference.
bool equal_field(const Resource& resource, const Value& a, const Value& b, std::string_view name) {
  const Field* field = resource.type->find(name);
  if (a[name] == b[name]) return true;
  if (field == nullptr || field->shape != Shape::object) return false;
  return canonicalize(*field->type, a[name]) == canonicalize(*field->type, b[name]);
}

bool missing(const Field& field, const Value& value) {
  switch (field.shape) {
    case Shape::string:
    case Shape::array:
    case Shape::map:
    case Shape::bytes:
      return value.empty();
    case Shape::object:
    case Shape::any:
      return field.pointer && value.is_null();
    default:
      return false;  // Zero numbers are for hooks to judge: they know the ranges.
  }
}

// Where a value stands, as a chain on the stack: a path becomes text only when it is complained of.
struct Place {
  const Place* outer = nullptr;
  std::string_view field;            // A member's name ...
  std::string_view key;              // ... or a map's key ...
  size_t index = std::string::npos;  // ... or a list's index.

  std::string path() const {
    const std::string before = outer != nullptr ? outer->path() : "";
    if (index != std::string::npos) return at(before, index);
    if (!key.empty()) return at_key(before, key);
    return field.empty() ? before : at(before, field);
  }
};

void shape_of_object(const Type& type, const Value& object, const Place& place, bool root,
                     Causes* causes);

void shape_of_value(const Field& field, const Value& value, const Place& place, Causes* causes) {
  switch (field.shape) {
    case Shape::object:
      shape_of_object(*field.type, value, place, false, causes);
      break;
    case Shape::array: {
      const Field& element = *field.element;
      if (element.shape != Shape::object && element.enum_values.empty()) break;
      for (size_t i = 0; i < value.size(); ++i) {
        shape_of_value(element, value[i], {.outer = &place, .field = {}, .key = {}, .index = i},
                       causes);
      }
      break;
    }
    case Shape::map:
      if (field.element->shape != Shape::object) break;
      for (const Value::Member& member : value.members()) {
        shape_of_value(*field.element, member.value,
                       {.outer = &place, .field = {}, .key = member.name}, causes);
      }
      break;
    case Shape::string: {
      const auto& known = field.enum_values;
      if (known.empty() || value.empty()) break;
      if (std::find(known.begin(), known.end(), value.as_string()) == known.end()) {
        add_not_supported(causes, place.path(), value, known);
      }
      break;
    }
    default:
      break;
  }
}

void shape_of_object(const Type& type, const Value& object, const Place& place, bool root,
                     Causes* causes) {
  size_t left = object.size();  // Members not met yet: most types have far more fields.
  for (const Field& field : type.fields) {
    // Status is written by parts of the cluster itself, which leave out what they don't know.
    if (root && (field.name == kStatus || field.name == "metadata")) continue;
    static const Value none;
    const Value& value = left > 0 ? object[field.name] : none;
    if (!value.is_null()) --left;
    if (!missing(field, value)) {
      shape_of_value(field, value, {.outer = &place, .field = field.name, .key = {}}, causes);
    } else if (field.required && !field.may_be_empty) {
      add_required(causes, at(place.path(), field.name));
    }
  }
}

// A hook says more of a field than its shape does: only that is told.
void drop_covered(Causes* causes, size_t shape_begin, size_t shape_end) {
  if (shape_end == causes->size()) return;
  const auto covered = [&](const StatusCause& cause) {
    for (size_t i = shape_end; i < causes->size(); ++i) {
      const std::string& field = (*causes)[i].field;
      const bool of_list = cause.field.starts_with(field + "[") && cause.field.ends_with("]") &&
                           cause.field.rfind('[') == field.size();
      if (cause.field == field || of_list) return true;
    }
    return false;
  };
  Causes kept;
  for (size_t i = 0; i < causes->size(); ++i) {
    const bool shape = i >= shape_begin && i < shape_end;
    if (!shape || !covered((*causes)[i])) kept.push_back((*causes)[i]);
  }
  *causes = std::move(kept);
}

// After a write to /status everything else is what it was: it is fine.
Causes validate_whole(const Resource& resource, const Value& object, bool status_alone) {
  Causes causes;
  validate_metadata(resource, object, &causes);
  const size_t shape_begin = causes.size();
  if (!status_alone) validate_shape(*resource.type, object, "", &causes);
  const size_t shape_end = causes.size();
  const Hook* hook = find_hook(resource.hook);
  if (hook == nullptr || hook->validate == nullptr) return causes;
  if (!status_alone || !hook->ignores_status) hook->validate(object, causes);
  drop_covered(&causes, shape_begin, shape_end);
  return causes;
}

}  // namespace

void prepare_create(const Resource& resource, Value* object) {
  const Hook* hook = find_hook(resource.hook);
  if (has_status(resource) && !(hook != nullptr && hook->keeps_status)) object->remove(kStatus);
  Value& metadata = (*object)["metadata"];
  if (metadata.is_null()) metadata = Value::object();
  for (const char* name : {"deletionTimestamp", "deletionGracePeriodSeconds", "generation"}) {
    metadata.remove(name);
  }
  if (resource.generation) metadata.set("generation", 1);
  if (hook != nullptr && hook->prepare_create != nullptr) hook->prepare_create(*object);
}

void prepare_update(const Resource& resource, const Value& old, Value* object,
                    std::string_view subresource) {
  const Hook* hook = find_hook(resource.hook);
  keep_identity(object, old);
  if (writes_status(subresource)) {
    keep_all_but_status(resource, old, object);
  } else if (has_status(resource)) {
    keep(object, old, kStatus);
  }
  if (hook != nullptr && hook->prepare_update != nullptr) {
    hook->prepare_update(*object, old, subresource);
  }
  if (!resource.generation || writes_status(subresource)) return;
  const bool same = hook != nullptr && hook->same_generation != nullptr
                        ? hook->same_generation(*object, old)
                        : equal_field(resource, *object, old, "spec");
  if (!same) (*object)["metadata"].set("generation", old.at("metadata.generation").as_int() + 1);
}

Causes validate_create(const Resource& resource, const Value& object) {
  Causes causes = validate_whole(resource, object, false);
  const Hook* hook = find_hook(resource.hook);
  if (hook != nullptr && hook->validate_create != nullptr) hook->validate_create(object, causes);
  return causes;
}

Causes validate_update(const Resource& resource, const Value& object, const Value& old,
                       std::string_view subresource) {
  Causes causes = validate_whole(resource, object, writes_status(subresource));
  validate_metadata_update(object, old, &causes);
  const Hook* hook = find_hook(resource.hook);
  if (hook != nullptr && hook->validate_update != nullptr) {
    hook->validate_update(object, old, subresource, causes);
  }
  return causes;
}

Causes validate_view(const Resource& resource, const Value& object, const Value& old) {
  Causes causes;
  validate_shape(*resource.type, object, "", &causes);
  const Hook* hook = find_hook(resource.hook);
  if (hook == nullptr) return causes;
  if (hook->validate != nullptr) hook->validate(object, causes);
  if (hook->validate_update != nullptr && !old.is_null()) {
    hook->validate_update(canonicalize(*resource.type, object), old, "", causes);
  }
  return causes;
}

void validate_shape(const Type& type, const Value& object, const std::string& path,
                    Causes* causes) {
  shape_of_object(type, object, {.outer = nullptr, .field = path, .key = {}}, path.empty(), causes);
}

}  // namespace orch::api
