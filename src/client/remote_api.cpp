// See remote_api.h. Any thread; each call is one request (list: one per page).
#include "client/remote_api.h"

#include "base/strings.h"

namespace orch::client {

using api::Value;

namespace {

const char* content_type_of(PatchType type) {
  switch (type) {
    case PatchType::json:
      return "application/json-patch+json";
    case PatchType::merge:
      return "application/merge-patch+json";
    case PatchType::strategic:
      return "application/strategic-merge-patch+json";
  }
  return "";
}

}  // namespace

Value whole_object(const api::Resource& resource, const Value& item) {
  Value whole = Value::object({{"apiVersion", resource.api_version()}, {"kind", resource.kind}});
  for (const auto& [name, value] : item.members())
    if (name != "apiVersion" && name != "kind") whole.set(name, value);
  return whole;
}

Result<Value> RemoteApi::get(const api::Resource& resource, const ObjectKey& key) {
  return connection_->call("GET", path_of(resource, key));
}

Result<std::vector<Value>> RemoteApi::list(const api::Resource& resource,
                                           const ListOptions& options) {
  const std::string query = query_of(options.label_selector, options.field_selector);
  const std::string target = path_of(resource, {options.ns, ""}) + query +
                             (query.empty() ? "?" : "&") + "limit=" + std::to_string(kPageSize);
  std::vector<Value> objects;
  std::string next;
  do {
    const Value page = ORCH_TRY(connection_->call(
        "GET", next.empty() ? target : target + "&continue=" + percent_encode(next)));
    for (const Value& item : page["items"].items()) objects.push_back(whole_object(resource, item));
    next = page["metadata"]["continue"].as_string();
  } while (!next.empty());
  return objects;
}

Result<Value> RemoteApi::create(const api::Resource& resource, const Value& object) {
  return connection_->call("POST", path_of(resource, {key_of(object).ns, ""}), object);
}

Result<Value> RemoteApi::update(const api::Resource& resource, const Value& object,
                                std::string_view subresource) {
  return connection_->call("PUT", path_of(resource, key_of(object), subresource), object);
}

Result<Value> RemoteApi::patch(const api::Resource& resource, const ObjectKey& key, PatchType type,
                               const Value& patch, std::string_view subresource) {
  return connection_->call("PATCH", path_of(resource, key, subresource), patch,
                           content_type_of(type));
}

Result<Value> RemoteApi::create_sub(const api::Resource& resource, const ObjectKey& key,
                                    std::string_view subresource, const Value& body) {
  return connection_->call("POST", path_of(resource, key, subresource), body);
}

Result<void> RemoteApi::remove(const api::Resource& resource, const ObjectKey& key,
                               const DeleteOptions& options) {
  Value body = Value::object({{"apiVersion", "v1"}, {"kind", "DeleteOptions"}});
  if (!options.uid.empty()) body["preconditions"].set("uid", options.uid);
  if (!options.resource_version.empty())
    body["preconditions"].set("resourceVersion", options.resource_version);
  if (options.grace_s) body.set("gracePeriodSeconds", *options.grace_s);
  if (!options.propagation.empty()) body.set("propagationPolicy", options.propagation);
  ORCH_TRY(connection_->call("DELETE", path_of(resource, key), body));
  return {};
}

}  // namespace orch::client
