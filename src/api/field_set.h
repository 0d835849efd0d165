// FieldSet: which fields of an object are meant, as a tree of path steps; who owns what is said in
// such sets. Also their JSON, FieldsV1, byte for byte as Kubernetes writes it:
//
//   {"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}}
//
// Pure values. Follows: KEP-555 (server-side apply), metav1.FieldsV1.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "api/json.h"
#include "base/result.h"

namespace orch::api {

// One step from a value to one inside of it.
struct PathStep {
  enum class Kind { field, key, value, index };  // In the order in which sets are written.

  Kind kind = Kind::field;
  std::string name;  // field: its name.
  Value value;       // key: an object, sorted by name; value: the item of a set; index: a number.

  static PathStep field(std::string name) { return {Kind::field, std::move(name), {}}; }

  bool operator==(const PathStep& other) const { return compare(other) == 0; }
  bool operator<(const PathStep& other) const { return compare(other) < 0; }
  int compare(const PathStep& other) const;
  std::string to_text() const;    // .name · [port=80,protocol="TCP"] · [="x"] · [0]
  std::string to_fields() const;  // f:name · k:{"port":80} · v:"x" · i:0
  static Result<PathStep> parse_fields(std::string_view text);  // Of to_fields().
};

using Path = std::vector<PathStep>;
// Appends the quoted f:name of a field, as to_fields() says it.
void append_field_step(std::string* out, std::string_view name);
std::string to_text(const Path& path);  // .spec.ports[port=80,protocol="TCP"].port

class FieldSet {
 public:
  struct Node;

  bool empty() const { return nodes_.empty(); }
  void insert(const Path& path);
  bool has(const Path& path) const;
  void reserve(size_t nodes);
  // The node of a step, made if missing. A node made must become a member or get members below.
  Node& at(PathStep step);
  const Node* find(const PathStep& step) const;
  const std::vector<Node>& nodes() const { return nodes_; }  // Sorted by step.
  // Every member, those of a level before what is below it.
  std::vector<Path> paths() const;

  FieldSet united(const FieldSet& other) const;
  FieldSet without(const FieldSet& other) const;
  FieldSet shared_with(const FieldSet& other) const;
  // Without the members of `other` and everything below them.
  FieldSet without_trees(const FieldSet& other) const;
  // The same two, in place.
  void remove(const FieldSet& other);
  void remove_trees(const FieldSet& other);

  // FieldsV1. parse: 400 when it isn't; at most kMaxDepth deep (the JSON was parsed with limits).
  Value to_fields() const;
  void append_fields(std::string* out) const;  // Its text.
  static Result<FieldSet> parse_fields(const Value& fields);

  bool operator==(const FieldSet& other) const;

 private:
  void add_paths(Path* prefix, std::vector<Path>* out) const;
  Node* find(const PathStep& step);
  void drop_if_empty(Node* node);

  std::vector<Node> nodes_;
};

struct FieldSet::Node {
  PathStep step;
  bool member = false;
  FieldSet below;

  bool empty() const { return !member && below.empty(); }
  bool operator==(const Node&) const = default;
};

}  // namespace orch::api
