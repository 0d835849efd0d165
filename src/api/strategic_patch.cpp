// Strategic merge patch: a merge patch that knows from the schema which lists are sets of things
// with a name. A directive ($patch, $retainKeys ...) says what merging alone can't.
#include <algorithm>
#include <optional>

#include "api/patch.h"
#include "base/strings.h"

namespace orch::api {

namespace {

constexpr std::string_view kDirective = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kDeletePrefix = "$deleteFromPrimitiveList/";
constexpr std::string_view kOrderPrefix = "$setElementOrder/";

bool is_directive(std::string_view name) { return name.starts_with('$'); }

Result<void> merge_object(const Type* type, Value* document, const Value& patch);

// What the value of a field or of a map's element is, for descending.
const Type* type_below(const Field* field) { return field == nullptr ? nullptr : field->type; }

// A null inside new content means "absent": it leaves no member behind, nor do directives.
void strip_patch_marks(Value* value) {
  if (value->is_array()) {
    std::erase_if(value->array_items(),
                  [](const Value& item) { return item.is_object() && item.has(kDirective); });
    for (Value& item : value->array_items()) strip_patch_marks(&item);
  } else if (value->is_object()) {
    std::erase_if(value->object_members(),
                  [](const Value::Member& m) { return m.value.is_null() || is_directive(m.name); });
    for (Value::Member& m : value->object_members()) strip_patch_marks(&m.value);
  }
}

Value without_marks(const Value& value) {
  Value copy = value;
  strip_patch_marks(&copy);
  return copy;
}

// The item of `list` whose `key` equals that of `wanted`; size() when there is none.
size_t find_by_key(const Array& list, const std::string& key, const Value& wanted) {
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i][key] == wanted[key]) return i;
  return list.size();
}

Result<void> merge_keyed_item(const Type* type, const std::string& key, Array* list,
                              const Value& item) {
  if (!item.is_object() || !item.has(key))
    return bad_request("map: " + to_json(item) + " does not contain declared merge key: " + key);
  const size_t at = find_by_key(*list, key, item);
  const std::string& directive = item[kDirective].as_string();
  if (directive == "delete") {
    std::erase_if(*list, [&](const Value& have) { return have[key] == item[key]; });
    return {};
  }
  if (!directive.empty() && directive != "merge" && directive != "replace")
    return bad_request("unknown $patch directive \"" + directive + "\" in a list");
  if (at == list->size()) {
    list->push_back(without_marks(item));
    return {};
  }
  if (directive == "replace") {
    (*list)[at] = without_marks(item);
    return {};
  }
  return merge_object(type, &(*list)[at], item);
}

Result<void> merge_keyed_list(const Field& field, Array* list, const Value& patch) {
  const Type* type = type_below(field.element.get());
  const bool replace = std::any_of(patch.items().begin(), patch.items().end(), [](const Value& v) {
    return v[kDirective].as_string() == "replace" && v.size() == 1;
  });
  if (replace) list->clear();
  for (const Value& item : patch.items()) {
    if (item[kDirective].as_string() == "replace" && item.size() == 1) continue;
    ORCH_TRY(merge_keyed_item(type, field.merge_key, list, item));
  }
  return {};
}

void merge_scalar_set(Array* list, const Value& patch) {
  for (const Value& item : patch.items())
    if (std::find(list->begin(), list->end(), item) == list->end()) list->push_back(item);
}

// Orders `list` as `order` says. Items that `order` doesn't name keep their place relative to the
// item that stood before them.
void set_element_order(Array* list, const std::string& key, const Value& order) {
  const auto rank = [&](const Value& item) -> std::optional<size_t> {
    for (size_t i = 0; i < order.size(); ++i)
      if (key.empty() ? order[i] == item : order[i][key] == item[key]) return i;
    return std::nullopt;
  };
  struct Placed {
    size_t major, minor;
    Value item;
  };
  std::vector<Placed> placed;
  size_t last_major = 0, minor = 0;
  for (Value& item : *list) {
    if (const auto r = rank(item)) {
      last_major = *r + 1;
      minor = 0;
    } else {
      ++minor;
    }
    placed.push_back({last_major, minor, std::move(item)});
  }
  std::stable_sort(placed.begin(), placed.end(), [](const Placed& a, const Placed& b) {
    return std::pair(a.major, a.minor) < std::pair(b.major, b.minor);
  });
  list->clear();
  for (Placed& p : placed) list->push_back(std::move(p.item));
}

Result<void> merge_list(const Field& field, Value* document, const Value& patch) {
  if (!field.merge_list) {
    *document = without_marks(patch);
    return {};
  }
  if (!document->is_array()) *document = Value(Array{});
  if (field.merge_key.empty()) {
    merge_scalar_set(&document->array_items(), patch);
    return {};
  }
  return merge_keyed_list(field, &document->array_items(), patch);
}

Result<void> apply_list_directives(const Type* type, Value* document, const Value& patch) {
  for (const Value::Member& member : patch.members()) {
    const bool deletes = member.name.starts_with(kDeletePrefix);
    const bool orders = member.name.starts_with(kOrderPrefix);
    if (!deletes && !orders) continue;
    const std::string name =
        member.name.substr(deletes ? kDeletePrefix.size() : kOrderPrefix.size());
    if (!member.value.is_array()) return bad_request(member.name + " must be a list");
    Value* list = document->find(name);
    if (list == nullptr || !list->is_array()) continue;
    if (deletes) {
      std::erase_if(list->array_items(), [&](const Value& item) {
        const Array& gone = member.value.items();
        return std::find(gone.begin(), gone.end(), item) != gone.end();
      });
    } else {
      const Field* field = type == nullptr ? nullptr : type->find(name);
      set_element_order(&list->array_items(), field == nullptr ? "" : field->merge_key,
                        member.value);
    }
  }
  return {};
}

void retain_keys(Value* document, const Value& patch) {
  const Value* keep = patch.find(kRetainKeys);
  if (keep == nullptr || !keep->is_array() || !document->is_object()) return;
  std::erase_if(document->object_members(), [&](const Value::Member& m) {
    return std::none_of(keep->items().begin(), keep->items().end(),
                        [&](const Value& name) { return name.as_string() == m.name; });
  });
}

Status unknown_directive(const std::string& directive) {
  return bad_request("unknown $patch directive \"" + directive + "\"");
}

Result<void> merge_member(const Field* field, const Type* map_type, Value* document,
                          const Value::Member& member) {
  const Value& patch = member.value;
  if (patch.is_null()) {
    document->remove(member.name);
    return {};
  }
  if (patch.is_object()) {
    const Type* type = field != nullptr ? type_below(field) : map_type;
    if (field != nullptr && field->shape == Shape::map) type = type_below(field->element.get());
    const bool is_map = field != nullptr && field->shape == Shape::map;
    Value& target = (*document)[member.name];
    if (!target.is_object()) target = Value(Value::Object{});
    if (is_map) {
      const std::string& directive = patch[kDirective].as_string();
      if (directive == "replace") {
        target = without_marks(patch);
        return {};
      }
      if (directive == "delete") {
        document->remove(member.name);
        return {};
      }
      if (!directive.empty() && directive != "merge") return unknown_directive(directive);
      for (const Value::Member& entry : patch.members())
        if (!is_directive(entry.name)) ORCH_TRY(merge_member(nullptr, type, &target, entry));
      return {};
    }
    ORCH_TRY(merge_object(type, &target, patch));
    if (patch[kDirective].as_string() == "delete") document->remove(member.name);
    return {};
  }
  if (patch.is_array() && field != nullptr)
    return merge_list(*field, &(*document)[member.name], patch);
  (*document)[member.name] = without_marks(patch);
  return {};
}

Result<void> merge_object(const Type* type, Value* document, const Value& patch) {
  const std::string& directive = patch[kDirective].as_string();
  if (directive == "replace") {
    *document = without_marks(patch);
    return {};
  }
  if (directive == "delete") {
    *document = Value(Value::Object{});
    return {};
  }
  if (!directive.empty() && directive != "merge") return unknown_directive(directive);
  if (!document->is_object()) *document = Value(Value::Object{});
  retain_keys(document, patch);
  for (const Value::Member& member : patch.members()) {
    if (is_directive(member.name)) continue;
    const Field* field = type == nullptr ? nullptr : type->find(member.name);
    ORCH_TRY(merge_member(field, nullptr, document, member));
  }
  return apply_list_directives(type, document, patch);
}

}  // namespace

Result<Value> apply_strategic_patch(const Type& type, Value document, const Value& patch) {
  if (!patch.is_object()) return bad_request("a strategic merge patch is a JSON object");
  ORCH_TRY(merge_object(&type, &document, patch));
  return document;
}

}  // namespace orch::api
