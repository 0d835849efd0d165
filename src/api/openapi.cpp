#include "api/openapi.h"

#include <set>

#include "api/discovery.h"
#include "api/json.h"

namespace orch::api {
namespace {

constexpr std::string_view kRefPrefix = "#/components/schemas/";
constexpr std::string_view kMetaPrefix = "io.k8s.apimachinery.pkg.apis.meta.v1.";

// By name, so that a document is the same on every server.
struct ByName {
  bool operator()(const Type* a, const Type* b) const { return a->name < b->name; }
};
using Types = std::set<const Type*, ByName>;

Value reference(std::string_view name) {
  return Value::object({{"$ref", std::string(kRefPrefix) + std::string(name)}});
}

// Beside a reference nothing else may stand, so it is wrapped.
Value wrapped(std::string_view name) {
  return Value::object({{"allOf", Value::array({reference(name)})}});
}

Value typed(const char* type, const char* format = nullptr) {
  Value schema = Value::object({{"type", type}});
  if (format != nullptr) schema.set("format", format);
  return schema;
}

Value property_schema(const Field& field, Types* types);

Value shape_schema(const Field& field, Types* types) {
  switch (field.shape) {
    case Shape::string:
      return typed("string");
    case Shape::boolean:
      return typed("boolean");
    case Shape::int32:
      return typed("integer", "int32");
    case Shape::int64:
      return typed("integer", "int64");
    case Shape::number:
      return typed("number", "double");
    case Shape::bytes:
      return typed("string", "byte");
    case Shape::quantity:
      return wrapped("io.k8s.apimachinery.pkg.api.resource.Quantity");
    case Shape::int_or_string:
      return wrapped("io.k8s.apimachinery.pkg.util.intstr.IntOrString");
    case Shape::time:
      return wrapped(std::string(kMetaPrefix) + "Time");
    case Shape::micro_time:
      return wrapped(std::string(kMetaPrefix) + "MicroTime");
    case Shape::duration:
      return wrapped(std::string(kMetaPrefix) + "Duration");
    case Shape::any:
      return wrapped("io.k8s.apimachinery.pkg.runtime.RawExtension");
    case Shape::object:
      types->insert(field.type);
      return wrapped(field.type->openapi_name);
    case Shape::array: {
      Value schema = typed("array");
      schema.set("items", property_schema(*field.element, types));
      return schema;
    }
    case Shape::map: {
      Value schema = typed("object");
      schema.set("additionalProperties", property_schema(*field.element, types));
      return schema;
    }
  }
  return {};
}

Value names(const std::vector<std::string>& list) {
  Value value = Value::array();
  for (const std::string& one : list) value.push_back(one);
  return value;
}

void add_list_rules(const Field& field, Value* schema) {
  if (field.shape == Shape::array) {
    constexpr const char* kKinds[] = {"atomic", "set", "map"};
    schema->set("x-kubernetes-list-type", kKinds[static_cast<int>(field.list_kind)]);
    if (!field.list_keys.empty()) {
      schema->set("x-kubernetes-list-map-keys", names(field.list_keys));
    }
  } else if (field.atomic_map) {
    schema->set("x-kubernetes-map-type", "atomic");
  }
  std::string strategy = field.retain_keys ? "retainKeys" : "";
  if (field.merge_list) strategy = strategy.empty() ? "merge" : "merge,retainKeys";
  if (!strategy.empty()) schema->set("x-kubernetes-patch-strategy", strategy);
  if (!field.merge_key.empty()) schema->set("x-kubernetes-patch-merge-key", field.merge_key);
}

Value property_schema(const Field& field, Types* types) {
  Value schema = shape_schema(field, types);
  if (!field.doc.empty()) schema.set("description", field.doc);
  if (!field.enum_values.empty()) schema.set("enum", names(field.enum_values));
  if (field.has_default) {
    schema.set("default", field.default_value);
  } else if (field.shape == Shape::object && !field.pointer) {
    schema.set("default", Value::object());
  }
  add_list_rules(field, &schema);
  return schema;
}

Value gvk(std::string_view group, std::string_view version, std::string_view kind) {
  return Value::object({{"group", group}, {"version", version}, {"kind", kind}});
}

// meta/v1 kinds are known to clients by their use in v1.
Value own_gvk(const Type& type) {
  const bool meta = type.group == "meta.k8s.io";
  return gvk(meta ? std::string_view() : type.group, type.version, type.kind);
}

Value type_schema(const Type& type, Types* types) {
  Value properties = Value::object();
  Value required = Value::array();
  for (const Field& field : type.fields) {
    properties.set(field.name, property_schema(field, types));
    if (field.required) required.push_back(field.name);
  }
  Value schema = typed("object");
  if (!type.doc.empty()) schema.set("description", type.doc);
  if (!required.empty()) schema.set("required", std::move(required));
  schema.set("properties", std::move(properties));
  if (type.atomic) schema.set("x-kubernetes-map-type", "atomic");
  if (type.top_level) {
    schema.set("x-kubernetes-group-version-kind", Value::array({own_gvk(type)}));
  }
  return schema;
}

Value list_schema(const Resource& resource) {
  Value items = typed("array");
  items.set("items", wrapped(resource.type->openapi_name));
  Value schema = typed("object");
  schema.set("required", Value::array({"items"}));
  schema.set("properties",
             Value::object({{"kind", typed("string")},
                            {"apiVersion", typed("string")},
                            {"metadata", wrapped(std::string(kMetaPrefix) + "ListMeta")},
                            {"items", std::move(items)}}));
  schema.set("x-kubernetes-group-version-kind",
             Value::array({gvk(resource.group, resource.version, resource.list_kind)}));
  return schema;
}

void add_scalar_schemas(Value* schemas) {
  Value int_or_string = typed("string", "int-or-string");
  int_or_string.set("oneOf", Value::array({typed("integer"), typed("string")}));
  Value quantity = Value::object({{"oneOf", Value::array({typed("string"), typed("number")})}});
  const std::string meta(kMetaPrefix);
  schemas->set("io.k8s.apimachinery.pkg.util.intstr.IntOrString", std::move(int_or_string));
  schemas->set("io.k8s.apimachinery.pkg.api.resource.Quantity", std::move(quantity));
  schemas->set("io.k8s.apimachinery.pkg.runtime.RawExtension", typed("object"));
  schemas->set(meta + "Time", typed("string", "date-time"));
  schemas->set(meta + "MicroTime", typed("string", "date-time"));
  schemas->set(meta + "Duration", typed("string"));
  schemas->set(meta + "Patch", typed("object"));
}

Value query_parameter(const char* name, const char* type) {
  return Value::object({{"name", name}, {"in", "query"}, {"schema", typed(type)}});
}

// One operation; `action` is the verb, `kind` what it speaks.
Value operation(std::string_view action, const Value& kind, const std::string& schema_name) {
  const Value json =
      Value::object({{"application/json", Value::object({{"schema", reference(schema_name)}})}});
  Value op = Value::object();
  Value parameters = Value::array();
  const bool writes = action == "post" || action == "put" || action == "patch";
  if (writes) {
    for (const char* name : {"dryRun", "fieldManager", "fieldValidation"}) {
      parameters.push_back(query_parameter(name, "string"));
    }
    if (action == "patch") parameters.push_back(query_parameter("force", "boolean"));
    const Value patch = Value::object({{"schema", reference(std::string(kMetaPrefix) + "Patch")}});
    op.set("requestBody",
           Value::object({{"content", action == "patch"
                                          ? Value::object({{"application/json-patch+json", patch},
                                                           {"application/merge-patch+json", patch}})
                                          : json}}));
  }
  if (!parameters.empty()) op.set("parameters", std::move(parameters));
  op.set("responses",
         Value::object({{"200", Value::object({{"description", "OK"}, {"content", json}})}}));
  op.set("x-kubernetes-action", action);
  op.set("x-kubernetes-group-version-kind", kind);
  return op;
}

void add_operation(Value* path, const std::vector<std::string>& verbs, const char* verb,
                   const char* method, const Value& kind, const std::string& schema) {
  for (const std::string& one : verbs) {
    if (one == verb) path->set(method, operation(method, kind, schema));
  }
}

void add_paths(const Schema& schema, const Resource& resource, Value* paths, Types* types) {
  std::string base = resource.group.empty() ? "/api/" : "/apis/" + resource.group + "/";
  base += resource.version + (resource.namespaced ? "/namespaces/{namespace}/" : "/");
  base += resource.plural;
  const Value kind = gvk(resource.group, resource.version, resource.kind);
  const std::string& name = resource.type->openapi_name;
  const std::string list = resource.storage_prefix.empty() ? name : name + "List";
  Value collection = Value::object();
  add_operation(&collection, resource.verbs, "list", "get", kind, list);
  add_operation(&collection, resource.verbs, "create", "post", kind, name);
  Value item = Value::object();
  add_operation(&item, resource.verbs, "get", "get", kind, name);
  add_operation(&item, resource.verbs, "update", "put", kind, name);
  add_operation(&item, resource.verbs, "patch", "patch", kind, name);
  add_operation(&item, resource.verbs, "delete", "delete", kind,
                std::string(kMetaPrefix) + "Status");
  paths->set(base, std::move(collection));
  if (!item.empty()) paths->set(base + "/{name}", std::move(item));
  for (const Subresource& sub : resource.subresources) {
    const std::string group_version = sub.version.empty() ? resource.api_version()
                                      : sub.group.empty() ? sub.version
                                                          : sub.group + "/" + sub.version;
    const Type* type = schema.find_document_type(group_version, sub.kind);
    if (type == nullptr) continue;  // Streams: exec, attach, port-forward.
    types->insert(type);
    Value path = Value::object();
    const Value sub_kind = gvk(type->group, type->version, type->kind);
    add_operation(&path, sub.verbs, "get", "get", sub_kind, type->openapi_name);
    add_operation(&path, sub.verbs, "create", "post", sub_kind, type->openapi_name);
    add_operation(&path, sub.verbs, "update", "put", sub_kind, type->openapi_name);
    add_operation(&path, sub.verbs, "patch", "patch", sub_kind, type->openapi_name);
    paths->set(base + "/{name}/" + sub.name, std::move(path));
  }
}

std::string url_path(const std::string& group, const std::string& version) {
  return group.empty() ? "api/" + version : "apis/" + group + "/" + version;
}

// FNV-1a: tells versions of a document apart; not for secrets.
std::string hash_of(std::string_view text) {
  uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  std::string digits;
  for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789ABCDEF"[(hash >> shift) & 15];
  return digits;
}

}  // namespace

std::string render_openapi_index(const Schema& schema) {
  Value paths = Value::object();
  for (const auto& [group, version] : served_versions(schema)) {
    const std::string path = url_path(group, version);
    const std::string hash = hash_of(render_openapi_v3(schema, group, version));
    paths.set(path,
              Value::object({{"serverRelativeURL", "/openapi/v3/" + path + "?hash=" + hash}}));
  }
  return to_json(Value::object({{"paths", std::move(paths)}}));
}

std::string render_openapi_v3(const Schema& schema, std::string_view group,
                              std::string_view version) {
  Value paths = Value::object();
  Value schemas = Value::object();
  Types wanted;
  for (const Resource* resource : schema.resources()) {
    if (resource->group != group || resource->version != version) continue;
    wanted.insert(resource->type);
    add_paths(schema, *resource, &paths, &wanted);
    if (resource->storage_prefix.empty()) continue;
    schemas.set(resource->type->openapi_name + "List", list_schema(*resource));
  }
  if (paths.empty()) return "";
  for (const char* name : {"meta/v1.ListMeta", "meta/v1.Status", "meta/v1.DeleteOptions"}) {
    if (const Type* type = schema.find_type(name); type != nullptr) wanted.insert(type);
  }
  // Types name further types until there are no new ones.
  Types done;
  while (!wanted.empty()) {
    const Type* type = wanted.extract(wanted.begin()).value();
    if (!done.insert(type).second) continue;
    schemas.set(type->openapi_name, type_schema(*type, &wanted));
  }
  add_scalar_schemas(&schemas);
  return to_json(
      Value::object({{"openapi", "3.0.0"},
                     {"info", Value::object({{"title", "Kubernetes"}, {"version", "v1.32.0"}})},
                     {"paths", std::move(paths)},
                     {"components", Value::object({{"schemas", std::move(schemas)}})}}));
}

}  // namespace orch::api
