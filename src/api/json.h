// Value: a JSON document to read and change. The form in which objects are worked on; at rest they
// are bytes (api/object.h). Parsing and writing are RapidJSON's, with limits; this is only the
// tree.
//
// Objects keep the order of their members (Kubernetes writes fields in declared order); equality
// ignores it. Integers stay integers (int64), as Kubernetes' codec keeps them.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace orch::api {

class Value;
using Array = std::vector<Value>;

class Value {
 public:
  struct Member;
  using Object = std::vector<Member>;

  Value() = default;  // null
  Value(std::nullptr_t) {}
  Value(bool b) : data_(b) {}
  Value(int n) : data_(static_cast<int64_t>(n)) {}
  Value(int64_t n) : data_(n) {}
  Value(double d) : data_(d) {}
  Value(const char* text) : data_(std::string(text)) {}
  Value(std::string_view text) : data_(std::string(text)) {}
  Value(std::string text) : data_(std::move(text)) {}
  Value(Array array) : data_(std::move(array)) {}
  Value(Object object) : data_(std::move(object)) {}

  // {"a": 1, "b": ...}: Value::object({{"a", 1}, {"b", Value::array({1, 2})}})
  static Value object(std::initializer_list<std::pair<std::string_view, Value>> members = {});
  static Value array(std::initializer_list<Value> items = {});

  bool is_null() const { return data_.index() == 0; }
  bool is_bool() const { return data_.index() == 1; }
  bool is_int() const { return data_.index() == 2; }
  bool is_double() const { return data_.index() == 3; }
  bool is_number() const { return is_int() || is_double(); }
  bool is_string() const { return data_.index() == 4; }
  bool is_array() const { return data_.index() == 5; }
  bool is_object() const { return data_.index() == 6; }
  const char* type_name() const;  // "null", "bool", "number", "string", "array", "object".

  // Readers that never fail: the zero value when this is something else.
  bool as_bool(bool otherwise = false) const;
  int64_t as_int(int64_t otherwise = 0) const;  // Whole doubles count.
  double as_double(double otherwise = 0) const;
  const std::string& as_string() const;  // "" otherwise.
  const Array& items() const;            // Empty otherwise.
  const Object& members() const;         // Empty otherwise.

  // Objects. find: null pointer when missing or not an object. operator[] const: a null Value then,
  // so chains of them read any depth. at(): a dotted path of plain names, the same way.
  const Value* find(std::string_view name) const;
  Value* find(std::string_view name);
  const Value& operator[](std::string_view name) const;
  const Value& at(std::string_view dotted_path) const;
  bool has(std::string_view name) const { return find(name) != nullptr; }
  // Makes this an object (if null) and the member (if missing). Aborts on other types: check first.
  Value& operator[](std::string_view name);
  void set(std::string_view name, Value value) { (*this)[name] = std::move(value); }
  bool remove(std::string_view name);

  // Arrays. push_back makes an array of null.
  // A null Value beyond the end. (int as well, so that a literal 0 is no null pointer.)
  const Value& operator[](size_t index) const;
  const Value& operator[](int index) const { return (*this)[static_cast<size_t>(index)]; }
  const Value& operator[](int index) { return std::as_const(*this)[index]; }
  Value& push_back(Value item);
  Array& array_items();      // REQUIRES: is_array().
  Object& object_members();  // REQUIRES: is_object().

  bool empty() const;   // null, "", [] and {}.
  size_t size() const;  // Of an array or object; else 0.

  // Deep; objects without regard to order, 1 == 1.0.
  bool operator==(const Value& other) const;

 private:
  std::variant<std::monostate, bool, int64_t, double, std::string, Array, Object> data_;
};

struct Value::Member {
  std::string name;
  Value value;
};

// Limits of parse_json and parse_yaml: deeper or larger documents are refused (400).
inline constexpr int kMaxDepth = 100;
inline constexpr size_t kMaxMembers = 10'000;  // Of one object: names are looked up in order.
inline constexpr size_t kMaxDocumentBytes = 3u << 20;

struct ParseOptions {
  size_t max_bytes = kMaxDocumentBytes;
  // Paths of members that stood twice in one object ("spec.replicas"); the last one won.
  std::vector<std::string>* duplicates = nullptr;
};

// RFC 8259, valid UTF-8 only. Errors (400) say what and at which byte.
Result<Value> parse_json(std::string_view text, const ParseOptions& options = {});
// One YAML document (YAML 1.2 core schema as Kubernetes reads it); aliases count against the
// limits.
Result<Value> parse_yaml(std::string_view text, const ParseOptions& options = {});

std::string to_json(const Value& value);         // Compact.
std::string to_json_pretty(const Value& value);  // Four blanks, for people.
void append_json(std::string* out, const Value& value);
void append_json_string(std::string* out, std::string_view text);  // Quoted and escaped.
std::string to_yaml(const Value& value);                           // Block style.

}  // namespace orch::api
