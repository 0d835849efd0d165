#include "server/apiserver/keys.h"

#include <algorithm>

#include "api/selector.h"

namespace orch::apiserver {
namespace {

// A selectable field as text, "" when unset, as field selectors compare it.
std::string field_text(const api::Value& value) {
  if (value.is_string()) return value.as_string();
  if (value.is_bool()) return value.as_bool() ? "true" : "false";
  if (value.is_int()) return std::to_string(value.as_int());
  return "";
}

// Two are no plain fields: the first reporter of an Event stood in `source` before it got a field
// of its own, and a pod's addresses are a list.
std::string selectable(const api::Value& object, const std::string& path) {
  if (path == "source") {
    const std::string& component = object.at("source.component").as_string();
    return component.empty() ? object["reportingComponent"].as_string() : component;
  }
  if (path == "status.podIPs") {
    std::string all;
    for (const api::Value& entry : object.at("status.podIPs").items()) {
      if (!all.empty()) all += ",";
      all += entry["ip"].as_string();
    }
    return all;
  }
  const api::Value& value = object.at(path);
  const bool flag = path == "spec.unschedulable" || path == "spec.hostNetwork";
  if (flag && !value.is_bool()) return "false";
  if (path == "status.succeeded" && !value.is_int()) return "0";
  return field_text(value);
}

}  // namespace

std::string store_key(const api::Resource& resource, std::string_view ns, std::string_view name) {
  return store_prefix(resource, ns).append(name);
}

std::string store_prefix(const api::Resource& resource, std::string_view ns) {
  std::string prefix = resource.storage_prefix + "/";
  if (!ns.empty()) prefix.append(ns).append("/");
  return prefix;
}

KeyParts key_parts(const api::Resource& resource, std::string_view key) {
  key.remove_prefix(resource.storage_prefix.size() + 1);
  if (!resource.namespaced) return {"", key};
  const size_t slash = key.find('/');
  return {key.substr(0, slash), key.substr(slash + 1)};
}

store::Tags tags_of(const api::Resource& resource, const api::Value& object) {
  store::Tags tags;
  const api::Value& metadata = object["metadata"];
  tags.uid = metadata["uid"].as_string();
  tags.labels = api::labels_of(object);
  for (const api::Selectable& field : resource.selectable_fields) {
    const auto taken = [&](const auto& one) { return one.first == field.path; };
    if (std::any_of(tags.fields.begin(), tags.fields.end(), taken)) continue;
    std::string text = selectable(object, field.path);
    if (!text.empty()) tags.fields.emplace_back(field.path, std::move(text));
  }
  for (const api::Value& owner : metadata["ownerReferences"].items()) {
    tags.owners.push_back(owner["uid"].as_string());
  }
  return tags;
}

store::Tags tags_of_stored(const api::Schema& schema, std::string_view key,
                           std::string_view bytes) {
  for (const api::Resource* resource : schema.resources()) {
    const std::string& prefix = resource->storage_prefix;
    if (prefix.empty() || resource->storage != nullptr || !key.starts_with(prefix) ||
        key.substr(prefix.size(), 1) != "/")
      continue;
    const auto object = api::parse_json(bytes, {.max_bytes = bytes.size(), .duplicates = nullptr});
    return object ? tags_of(*resource, *object) : store::Tags{};
  }
  return {};
}

}  // namespace orch::apiserver
