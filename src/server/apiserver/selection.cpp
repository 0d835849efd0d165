#include "server/apiserver/selection.h"

#include "server/apiserver/keys.h"

namespace orch::apiserver {
namespace {

// Where the field of that label lies; "" when it can't be selected by.
std::string path_of(const api::Resource& resource, const std::string& label) {
  if (label == "metadata.name" || (label == "metadata.namespace" && resource.namespaced)) {
    return label;
  }
  for (const api::Selectable& field : resource.selectable_fields) {
    if (field.label == label) return field.path;
  }
  return "";
}

// Kinds that can be selected by more than everything can say so in words of their own.
Status not_selectable(const api::Resource& resource, const std::string& label) {
  if (!resource.selectable_fields.empty()) {
    return bad_request("field label not supported: " + label);
  }
  return bad_request("\"" + label +
                     "\" is not a known field selector: only \"metadata.name\", "
                     "\"metadata.namespace\"");
}

}  // namespace

Result<Selection> Selection::make(const api::Resource& resource, std::string_view ns,
                                  std::string_view name, std::string_view label_selector,
                                  std::string_view field_selector) {
  Selection selection;
  selection.resource_ = &resource;
  selection.labels_ = ORCH_TRY(api::LabelSelector::parse(label_selector));
  selection.fields_ = ORCH_TRY(api::FieldSelector::parse(field_selector));
  std::string one(name), space(ns);
  for (auto& requirement : selection.fields_.requirements()) {
    std::string path = path_of(resource, requirement.path);
    if (path.empty()) return not_selectable(resource, requirement.path);
    requirement.path = std::move(path);
    // A name, or a namespace, asked for by selector narrows the folder; a second, contradicting
    // one is left to matches().
    if (requirement.equal && requirement.path == "metadata.name" && one.empty()) {
      one = requirement.value;
    }
    if (requirement.equal && requirement.path == "metadata.namespace" && space.empty()) {
      space = requirement.value;
    }
  }
  const bool whole_key = !one.empty() && (!resource.namespaced || !space.empty());
  selection.prefix_ = whole_key ? store_key(resource, space, one) : store_prefix(resource, space);
  return selection;
}

bool Selection::matches(const store::Record& record) const {
  const auto label = [&](std::string_view key) { return record.tags.label(key); };
  if (!labels_.matches_with(label)) return false;
  for (const auto& requirement : fields_.requirements()) {
    std::string_view value;
    if (requirement.path == "metadata.name") {
      value = key_parts(*resource_, record.key).name;
    } else if (requirement.path == "metadata.namespace") {
      value = key_parts(*resource_, record.key).ns;
    } else {
      value = record.tags.field(requirement.path).value_or("");
    }
    if ((value == requirement.value) != requirement.equal) return false;
  }
  return true;
}

store::TagMarks Selection::marks() const {
  store::TagMarks marks;
  for (const auto& requirement : labels_.requirements()) {
    const bool one_value = requirement.op == api::LabelSelector::Operator::in;
    if (one_value && requirement.values.size() == 1) {
      marks.add_label(requirement.key, requirement.values.front());
    }
  }
  for (const auto& requirement : fields_.requirements()) {
    // Name and namespace are no tags, nor is a field that isn't set.
    if (!requirement.equal || requirement.value.empty()) continue;
    if (requirement.path == "metadata.name" || requirement.path == "metadata.namespace") continue;
    marks.add_field(requirement.path, requirement.value);
  }
  return marks;
}

}  // namespace orch::apiserver
