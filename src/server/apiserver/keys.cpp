#include "server/apiserver/keys.h"

#include <algorithm>

#include "api/json_cut.h"
#include "api/resources.h"
#include "api/selector.h"
#include "server/apiserver/service_allocator.h"

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

// Of a stored object the parts that its tags are made of; the rest is passed over, which takes a
// fifth of the time: a start reads every object.
api::Value tagged_parts(const api::Resource& resource, std::string_view bytes) {
  api::Value parts = api::Value::object();
  const auto is_tagged = [&](std::string_view name, std::string_view inner) {
    if (name == "metadata")
      return inner == "uid" || inner == "labels" || inner == "ownerReferences";
    if (&resource == &api::resource::services() && name == "spec" && inner == "ports") return true;
    if (&resource == &api::resource::services() && name == "spec" && inner == "clusterIP")
      return true;
    const std::string path = std::string(name) + "." + std::string(inner);
    return std::any_of(resource.selectable_fields.begin(), resource.selectable_fields.end(),
                       [&](const api::Selectable& field) {
                         return field.path == name || field.path == path ||
                                field.path.starts_with(path + ".");
                       });
  };
  const auto take = [](std::string_view text, api::Value* into) {
    if (auto value = api::parse_json(text, {.max_bytes = text.size(), .duplicates = nullptr})) {
      *into = *std::move(value);
    }
  };
  api::for_each_member(bytes, [&](std::string_view name, std::string_view value) {
    if (!value.starts_with('{')) {
      // A field beside metadata: short, or no tag.
      const auto& fields = resource.selectable_fields;
      const auto named = [&](const api::Selectable& field) { return field.path == name; };
      if (std::any_of(fields.begin(), fields.end(), named) || name == "reportingComponent") {
        take(value, &parts[name]);
      }
      return true;
    }
    api::for_each_member(value, [&](std::string_view inner, std::string_view inner_value) {
      if (is_tagged(name, inner)) take(inner_value, &parts[name][inner]);
      return true;
    });
    return true;
  });
  return parts;
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
  if (&resource == &api::resource::services()) tags.claims = service_claims(object);
  return tags;
}

store::Tags tags_of_stored(const api::Schema& schema, std::string_view key,
                           std::string_view bytes) {
  for (const api::Resource* resource : schema.resources()) {
    const std::string& prefix = resource->storage_prefix;
    if (prefix.empty() || resource->storage != nullptr || !key.starts_with(prefix) ||
        key.substr(prefix.size(), 1) != "/")
      continue;
    return tags_of(*resource, tagged_parts(*resource, bytes));
  }
  return {};
}

}  // namespace orch::apiserver
