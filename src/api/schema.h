// Schema: the API as an immutable graph of types and resources, parsed once from the text tables in
// api/schema/*.schema. It drives discovery, OpenAPI, decoding, defaults, shape validation, merge
// patches, tables and selectors; a CustomResourceDefinition will parse into the same graph.
// Immutable after load: free of locks, any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/result.h"

namespace orch::api {

struct Type;

// What a field holds. The special scalars have their own JSON forms (api-conventions).
enum class Shape {
  string,
  boolean,
  int32,
  int64,
  number,
  bytes,  // base64 text
  quantity,
  int_or_string,
  time,
  micro_time,
  duration,
  any,     // Arbitrary JSON (RawExtension, FieldsV1).
  array,   // element
  map,     // string → element
  object,  // type
};

struct Field {
  std::string name;
  Shape shape = Shape::string;
  const Type* type = nullptr;            // shape object: what it is.
  std::shared_ptr<const Field> element;  // shape array, map: its element (no name).
  bool required = false;                 // Must stand in the document ...
  bool may_be_empty = false;             // ... but its zero value will do.
  bool always_written = false;           // Its zero value is written out when unset.
  bool pointer = false;                  // Unset differs from zero.
  bool has_default = false;
  Value default_value;
  std::vector<std::string> enum_values;  // Closed set when not empty.
  enum class ListKind { atomic, set, map } list_kind = ListKind::atomic;
  std::vector<std::string> list_keys;  // Server-side apply's keys of a list map.
  bool merge_list = false;             // Strategic merge: patchStrategy=merge ...
  std::string merge_key;               // ... by this key ("" = a set of scalars).
  bool retain_keys = false;            // ... with retainKeys.
  bool atomic_map = false;
  // Protobuf field numbers, from the type's own message inwards: the embedded messages that the
  // field is inside of, then its own; zeros after that. {} = not in protobuf.
  using WirePath = std::array<int, 3>;
  WirePath wire_path{};
  std::string doc;

  // Of the messages around it.
  size_t wire_depth() const { return wire_path[2] != 0 ? 2 : wire_path[1] != 0 ? 1 : 0; }
  int wire_number() const { return wire_path[wire_depth()]; }
};

struct Type {
  std::string name;                  // "core/v1.PodSpec"
  std::string openapi_name;          // "io.k8s.api.core.v1.PodSpec"
  std::string group, version, kind;  // Where it is defined; kind is the name without package.
  bool top_level = false;            // Has apiVersion and kind.
  bool atomic = false;
  std::vector<Field> fields;  // In declared order, which is the order of canonical JSON.
  // Indexes of the fields that protobuf has, in the order of their bytes: by path, so that those of
  // an embedded message stand together. Empty: the type has no protobuf form.
  std::vector<uint16_t> wire_order;
  std::string doc;

  const Field* find(std::string_view field_name) const;
};

// A column of `kubectl get`. Cells that a path can't say are made by a named function.
struct Column {
  std::string name, format, cell;  // `cell`: ".spec.x" or the name of a cell function.
  std::string type = "string";
  std::string description;
  int priority = 0;
};

struct Subresource {
  std::string name;            // "status"
  std::string kind;            // What it speaks: "Pod", "Scale", "Binding".
  std::string group, version;  // Of that kind when it isn't the resource's own.
  std::vector<std::string> verbs;
};

// A field selector by its label, and where in the stored object its value is.
struct Selectable {
  std::string label, path;
};

enum class NameRule { dns_subdomain, dns_label, dns_label_1035, path_segment };

struct Resource {
  std::string group, version, kind, list_kind;
  std::string plural, singular;
  std::vector<std::string> short_names, categories;
  bool namespaced = true;
  std::vector<std::string> verbs;  // As in discovery.
  std::vector<Subresource> subresources;
  std::vector<Selectable> selectable_fields;  // Beyond metadata.name and metadata.namespace.
  std::vector<Column> columns;
  std::string storage_prefix;  // "/pods"; "" = not stored (reviews, bindings).
  bool relaxed = false;        // durability=relaxed
  bool generation = false;     // metadata.generation counts changes of the spec.
  bool create_on_update = false, unconditional_update = true;
  NameRule name_rule = NameRule::dns_subdomain;
  std::string default_propagation = "Background";
  std::string storage_hash;  // Discovery's storageVersionHash, or "".
  std::string hook;          // The kind's own code (defaults, validation), or "".
  const Type* type = nullptr;
  // The row of another version, in whose form the objects lie in the store; null: in this one's.
  const Resource* storage = nullptr;

  const Resource& stored() const { return storage != nullptr ? *storage : *this; }
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
  bool has_verb(std::string_view verb) const;
  const Subresource* find_subresource(std::string_view name) const;
};

class Schema {
 public:
  // The tables embedded in the executable. A broken table is our own bug: it stops the process.
  static const Schema& builtin();
  // From texts of the tables (tests, custom resources). Errors name file and line.
  struct Source {
    std::string name, text;
  };
  static Result<std::unique_ptr<const Schema>> parse(const std::vector<Source>& sources);

  // nullptr when there is none. `group` "" is the core group.
  const Resource* find(std::string_view group, std::string_view version,
                       std::string_view plural) const;
  const Resource* find_kind(std::string_view api_version, std::string_view kind) const;
  const Type* find_type(std::string_view name) const;  // By its full name: "core/v1.PodSpec".
  // The type of a document by what it says of itself, resource or not ("policy/v1", "Eviction").
  // The kinds of meta/v1 (Status, DeleteOptions) belong to every group-version.
  const Type* find_document_type(std::string_view api_version, std::string_view kind) const;
  // In discovery order.
  const std::vector<const Resource*>& resources() const { return order_; }
  const std::vector<const Type*>& types() const { return type_order_; }

  ~Schema();

 private:
  friend class SchemaParser;
  Schema();
  std::vector<std::unique_ptr<Resource>> resources_;
  std::vector<std::unique_ptr<Type>> types_;
  std::vector<const Resource*> order_;
  std::vector<const Type*> type_order_;
  std::map<std::string, const Resource*, std::less<>> by_path_, by_kind_;
  std::map<std::string, const Type*, std::less<>> by_name_, by_document_;
};

}  // namespace orch::api
