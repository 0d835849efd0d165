#include "api/discovery.h"

#include <algorithm>

#include "api/json.h"

namespace orch::api {
namespace {

Value strings(const std::vector<std::string>& items) {
  Value list = Value::array();
  for (const std::string& item : items) list.push_back(item);
  return list;
}

Value version_of(const std::string& group, const std::string& version) {
  return Value::object({{"groupVersion", group + "/" + version}, {"version", version}});
}

Value group_of(const Schema& schema, std::string_view group) {
  Value versions = Value::array();
  for (const auto& [a_group, version] : served_versions(schema)) {
    if (a_group == group) versions.push_back(version_of(a_group, version));
  }
  if (versions.empty()) return {};
  const Value preferred = versions.items().front();
  return Value::object(
      {{"name", group}, {"versions", std::move(versions)}, {"preferredVersion", preferred}});
}

Value response_kind(const std::string& group, const std::string& version, const std::string& kind) {
  return Value::object({{"group", group}, {"version", version}, {"kind", kind}});
}

Value subresource_entry(const Resource& resource, const Subresource& sub) {
  Value entry = Value::object({{"name", resource.plural + "/" + sub.name},
                               {"singularName", ""},
                               {"namespaced", resource.namespaced}});
  if (!sub.version.empty()) {
    entry.set("group", sub.group);
    entry.set("version", sub.version);
  }
  entry.set("kind", sub.kind);
  entry.set("verbs", strings(sub.verbs));
  return entry;
}

Value resource_entry(const Resource& resource) {
  Value entry = Value::object({{"name", resource.plural},
                               {"singularName", resource.singular},
                               {"namespaced", resource.namespaced},
                               {"kind", resource.kind},
                               {"verbs", strings(resource.verbs)}});
  if (!resource.short_names.empty()) entry.set("shortNames", strings(resource.short_names));
  if (!resource.categories.empty()) entry.set("categories", strings(resource.categories));
  if (!resource.storage_hash.empty()) entry.set("storageVersionHash", resource.storage_hash);
  return entry;
}

Value aggregated_resource(const Resource& resource) {
  Value entry = Value::object(
      {{"resource", resource.plural},
       {"responseKind", response_kind(resource.group, resource.version, resource.kind)},
       {"scope", resource.namespaced ? "Namespaced" : "Cluster"},
       {"singularResource", resource.singular},
       {"verbs", strings(resource.verbs)}});
  if (!resource.short_names.empty()) entry.set("shortNames", strings(resource.short_names));
  if (!resource.categories.empty()) entry.set("categories", strings(resource.categories));
  for (const Subresource& sub : resource.subresources) {
    const bool own = sub.version.empty();
    entry["subresources"].push_back(Value::object(
        {{"subresource", sub.name},
         {"responseKind", response_kind(own ? resource.group : sub.group,
                                        own ? resource.version : sub.version, sub.kind)},
         {"verbs", strings(sub.verbs)}}));
  }
  return entry;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> served_versions(const Schema& schema) {
  std::vector<std::pair<std::string, std::string>> served;
  for (const Resource* resource : schema.resources()) {
    const auto one = std::pair(resource->group, resource->version);
    if (std::find(served.begin(), served.end(), one) == served.end()) served.push_back(one);
  }
  return served;
}

std::string render_api_versions(std::string_view server_address) {
  return to_json(Value::object(
      {{"kind", "APIVersions"},
       {"versions", Value::array({"v1"})},
       {"serverAddressByClientCIDRs",
        Value::array(
            {Value::object({{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", server_address}})})}}));
}

std::string render_api_group_list(const Schema& schema) {
  Value groups = Value::array();
  std::string_view last;
  for (const Resource* resource : schema.resources()) {
    if (resource->group.empty() || resource->group == last) continue;
    last = resource->group;
    groups.push_back(group_of(schema, last));
  }
  return to_json(Value::object(
      {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}}));
}

std::string render_api_group(const Schema& schema, std::string_view group) {
  const Value described = group_of(schema, group);
  if (described.is_null() || group.empty()) return "";
  Value document = Value::object({{"kind", "APIGroup"}, {"apiVersion", "v1"}});
  for (const Value::Member& member : described.members()) document.set(member.name, member.value);
  return to_json(document);
}

std::string render_api_resource_list(const Schema& schema, std::string_view group,
                                     std::string_view version) {
  Value resources = Value::array();
  std::string group_version;
  for (const Resource* resource : schema.resources()) {
    if (resource->group != group || resource->version != version) continue;
    group_version = resource->api_version();
    resources.push_back(resource_entry(*resource));
    for (const Subresource& sub : resource->subresources) {
      resources.push_back(subresource_entry(*resource, sub));
    }
  }
  if (resources.empty()) return "";
  return to_json(Value::object({{"kind", "APIResourceList"},
                                {"apiVersion", "v1"},
                                {"groupVersion", group_version},
                                {"resources", std::move(resources)}}));
}

std::string render_group_discovery_list(const Schema& schema, bool core, std::string_view version) {
  Value groups = Value::array();
  for (const auto& [group, group_version] : served_versions(schema)) {
    if (group.empty() != core) continue;
    Value resources = Value::array();
    for (const Resource* resource : schema.resources()) {
      if (resource->group != group || resource->version != group_version) continue;
      resources.push_back(aggregated_resource(*resource));
    }
    Value described = Value::object({{"version", group_version},
                                     {"resources", std::move(resources)},
                                     {"freshness", "Current"}});
    if (!groups.empty() && groups.items().back().at("metadata.name").as_string() == group) {
      groups.array_items().back()["versions"].push_back(std::move(described));
      continue;
    }
    Value metadata = Value::object();
    if (!group.empty()) metadata.set("name", group);
    metadata.set("creationTimestamp", nullptr);
    groups.push_back(Value::object(
        {{"metadata", std::move(metadata)}, {"versions", Value::array({std::move(described)})}}));
  }
  return to_json(Value::object({{"kind", "APIGroupDiscoveryList"},
                                {"apiVersion", "apidiscovery.k8s.io/" + std::string(version)},
                                {"metadata", Value::object()},
                                {"items", std::move(groups)}}));
}

}  // namespace orch::api
