#include "api/openapi_types.h"

#include <algorithm>

namespace orch::api {
namespace {

constexpr std::string_view kQuantity = "io.k8s.apimachinery.pkg.api.resource.Quantity";
constexpr std::string_view kIntOrString = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
constexpr std::string_view kRawExtension = "io.k8s.apimachinery.pkg.runtime.RawExtension";
constexpr std::string_view kJson = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON";

std::string meta(std::string_view name) {
  return std::string(kMetaOpenApiPrefix) + std::string(name);
}

// In v3 nothing may stand beside a reference, and other things do: so it is wrapped.
Value wrapped(Dialect dialect, std::string_view name) {
  Value reference = schema_reference(dialect, name);
  if (dialect == Dialect::v2) return reference;
  return Value::object({{"allOf", Value::array({std::move(reference)})}});
}

// Free JSON has a name of its own wherever it stands.
std::string any_name(const Type& owner) {
  if (owner.group == "meta.k8s.io") return meta("FieldsV1");
  return std::string(owner.group == "apiextensions.k8s.io" ? kJson : kRawExtension);
}

// What making a document knows all along.
struct Writer {
  Dialect dialect;
  const Docs& docs;
  const Type& owner;
  Types* further;
};

Value property_schema(const Writer& writer, const Field& field);

Value shape_schema(const Writer& writer, const Field& field) {
  switch (field.shape) {
    case Shape::string:
      return plain_schema("string");
    case Shape::boolean:
      return plain_schema("boolean");
    case Shape::int32:
      return plain_schema("integer", "int32");
    case Shape::int64:
      return plain_schema("integer", "int64");
    case Shape::number:
      return plain_schema("number", "double");
    case Shape::bytes:
      return plain_schema("string", "byte");
    case Shape::quantity:
      return wrapped(writer.dialect, kQuantity);
    case Shape::int_or_string:
      return wrapped(writer.dialect, kIntOrString);
    case Shape::time:
      return wrapped(writer.dialect, meta("Time"));
    case Shape::micro_time:
      return wrapped(writer.dialect, meta("MicroTime"));
    case Shape::duration:
      return wrapped(writer.dialect, meta("Duration"));
    case Shape::any:
      return wrapped(writer.dialect, any_name(writer.owner));
    case Shape::object:
      writer.further->insert(field.type);
      return wrapped(writer.dialect, field.type->openapi_name);
    case Shape::array: {
      Value schema = plain_schema("array");
      schema.set("items", property_schema(writer, *field.element));
      return schema;
    }
    case Shape::map: {
      Value schema = plain_schema("object");
      schema.set("additionalProperties", property_schema(writer, *field.element));
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

// How apply and strategic merge treat it.
void add_merge_rules(const Field& field, Value* schema) {
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

// Of a field, or of the elements of one, which have no name and no description.
Value property_schema(const Writer& writer, const Field& field) {
  Value schema = shape_schema(writer, field);
  if (!field.name.empty()) {
    const std::string_view sentence = writer.docs.of(writer.owner, field);
    if (!sentence.empty()) schema.set("description", sentence);
  }
  if (!field.enum_values.empty()) {
    std::vector<std::string> values = field.enum_values;
    std::sort(values.begin(), values.end());
    schema.set("enum", names(values));
  }
  if (writer.dialect == Dialect::v3) {
    if (field.has_default) {
      schema.set("default", field.default_value);
    } else if (field.shape == Shape::object && !field.pointer) {
      schema.set("default", Value::object());
    }
  }
  add_merge_rules(field, &schema);
  return schema;
}

}  // namespace

Value plain_schema(const char* type, const char* format) {
  Value schema = Value::object({{"type", type}});
  if (format != nullptr) schema.set("format", format);
  return schema;
}

Value schema_reference(Dialect dialect, std::string_view openapi_name) {
  std::string where = dialect == Dialect::v2 ? "#/definitions/" : "#/components/schemas/";
  return Value::object({{"$ref", where.append(openapi_name)}});
}

Value kind_reference(std::string_view group, std::string_view version, std::string_view kind) {
  return Value::object({{"group", group}, {"version", version}, {"kind", kind}});
}

Value type_schema(Dialect dialect, const Docs& docs, const Type& type, Types* further) {
  const Writer writer{dialect, docs, type, further};
  Value properties = Value::object();
  Value required = Value::array();
  for (const Field& field : type.fields) {
    properties.set(field.name, property_schema(writer, field));
    if (field.required) required.push_back(field.name);
  }
  Value schema = plain_schema("object");
  if (const auto sentence = docs.of(type); !sentence.empty()) schema.set("description", sentence);
  if (!required.empty()) schema.set("required", std::move(required));
  schema.set("properties", std::move(properties));
  if (type.atomic) schema.set("x-kubernetes-map-type", "atomic");
  if (type.top_level) {
    // Clients know the kinds of meta/v1 by their use in v1.
    const std::string_view group = type.group == "meta.k8s.io" ? "" : std::string_view(type.group);
    schema.set("x-kubernetes-group-version-kind",
               Value::array({kind_reference(group, type.version, type.kind)}));
  }
  return schema;
}

Value list_schema(Dialect dialect, const Resource& resource) {
  const auto described = [](Value schema, const char* sentence) {
    schema.set("description", sentence);
    return schema;
  };
  Value items = plain_schema("array");
  items.set("items", wrapped(dialect, resource.type->openapi_name));
  Value metadata = wrapped(dialect, meta("ListMeta"));
  if (dialect == Dialect::v3) metadata.set("default", Value::object());
  Value schema = plain_schema("object");
  schema.set("description", resource.list_kind + " holds objects of the kind " + resource.kind +
                                " that were read together.");
  schema.set("required", Value::array({"items"}));
  schema.set(
      "properties",
      Value::object(
          {{"apiVersion", described(plain_schema("string"), "The API version of the list.")},
           {"kind", described(plain_schema("string"), "The kind of the list.")},
           {"metadata", described(std::move(metadata), "At which revision the list was read.")},
           {"items", described(std::move(items), "The objects, ordered by name.")}}));
  schema.set("x-kubernetes-group-version-kind",
             Value::array({kind_reference(resource.group, resource.version, resource.list_kind)}));
  return schema;
}

std::vector<std::pair<std::string, Value>> scalar_schemas(Dialect dialect) {
  Value int_or_string = Value::object({{"format", "int-or-string"}});
  Value quantity = plain_schema("string");
  if (dialect == Dialect::v2) {
    int_or_string.set("type", "string");
  } else {
    int_or_string.set("oneOf", Value::array({plain_schema("integer"), plain_schema("string")}));
    quantity =
        Value::object({{"oneOf", Value::array({plain_schema("string"), plain_schema("number")})}});
  }
  std::vector<std::pair<std::string, Value>> all;
  const auto add = [&all](std::string name, Value schema, const char* sentence) {
    schema.set("description", sentence);
    all.emplace_back(std::move(name), std::move(schema));
  };
  add(std::string(kIntOrString), std::move(int_or_string),
      "A number, or a text such as a port's name or a percentage.");
  add(std::string(kQuantity), std::move(quantity),
      "An amount as a decimal number with an optional suffix: 500m, 1.5, 2Gi, 10k or 1e3.");
  add(std::string(kRawExtension), plain_schema("object"), "An object of any kind.");
  add(std::string(kJson), Value::object(), "Any JSON value.");
  add(meta("FieldsV1"), plain_schema("object"),
      "A set of fields as a tree: f:<name> is a field, k:<keys> an item of a list, v:<value> an "
      "item by its value, and . the thing itself.");
  add(meta("Time"), plain_schema("string", "date-time"), "A moment in RFC 3339, to the second.");
  add(meta("MicroTime"), plain_schema("string", "date-time"),
      "A moment in RFC 3339, to the microsecond.");
  add(meta("Duration"), plain_schema("string"), "A span of time such as 300ms, 1.5h or 2h45m.");
  add(meta("Patch"), plain_schema("object"),
      "A change to an object, in the form of its media type.");
  return all;
}

}  // namespace orch::api
