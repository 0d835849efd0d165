#include "api/causes.h"

#include <map>
#include <utility>

namespace orch::api {
namespace {

// `map[string]string{"a":"b"}`: how Go prints maps and lists of strings.
std::string go_strings(const Value& value) {
  std::string text = value.is_array() ? "[]string" : "map[string]string";
  if (value.is_null()) return text + "(nil)";
  text += '{';
  const char* separator = "";
  for (const Value& item : value.items()) {
    text += separator + to_json(item);
    separator = ", ";
  }
  std::map<std::string, std::string> sorted;
  for (const Value::Member& member : value.members()) {
    sorted[member.name] = to_json(member.value);
  }
  for (const auto& [name, one] : sorted) {
    text += separator + to_json(Value(name)) + ":" + one;
    separator = ", ";
  }
  return text + "}";
}

bool all_strings(const Value& value) {
  for (const Value& item : value.items()) {
    if (!item.is_string()) return false;
  }
  return true;
}

// As an error shows a value: strings quoted, numbers plain, the rest as Go would print it where
// that can be told from the value and its path, else as JSON.
std::string shown(const Value& value, std::string_view path = {}) {
  if (value.is_array() && value.size() > 0 && all_strings(value)) return go_strings(value);
  if (value.is_object() && (path.ends_with("labels") || path.ends_with("annotations"))) {
    return go_strings(value);
  }
  const bool plain = value["matchExpressions"].empty();
  if (value.is_object() && path.ends_with("selector") && plain) {
    return "v1.LabelSelector{MatchLabels:" + go_strings(value["matchLabels"]) +
           ", MatchExpressions:[]v1.LabelSelectorRequirement(nil)}";
  }
  return to_json(value);
}

void add(Causes* causes, const char* reason, std::string path, std::string message,
         std::string_view detail) {
  if (!detail.empty()) message.append(": ").append(detail);
  causes->push_back({reason, std::move(message), std::move(path)});
}

}  // namespace

std::string at(std::string_view path, std::string_view field) {
  std::string result;  // Most paths are never told: one allocation each.
  result.reserve(path.size() + 1 + field.size());
  result = path;
  if (!result.empty()) result += '.';
  return result.append(field);
}

std::string at(std::string_view path, size_t index) {
  return std::string(path) + "[" + std::to_string(index) + "]";
}

std::string at_key(std::string_view path, std::string_view key) {
  return std::string(path).append("[").append(key).append("]");
}

void add_required(Causes* causes, std::string path, std::string_view detail) {
  add(causes, "FieldValueRequired", std::move(path), "Required value", detail);
}

void add_invalid(Causes* causes, std::string path, const Value& value, std::string_view detail) {
  std::string message = "Invalid value: " + shown(value, path);
  add(causes, "FieldValueInvalid", std::move(path), std::move(message), detail);
}

void add_not_supported(Causes* causes, std::string path, const Value& value,
                       const std::vector<std::string>& supported) {
  std::string detail = "supported values: ";
  for (const std::string& one : supported) {
    if (&one != &supported.front()) detail += ", ";
    detail += "\"" + one + "\"";
  }
  add(causes, "FieldValueNotSupported", std::move(path), "Unsupported value: " + shown(value),
      supported.empty() ? std::string_view() : detail);
}

void add_duplicate(Causes* causes, std::string path, const Value& value) {
  add(causes, "FieldValueDuplicate", std::move(path), "Duplicate value: " + shown(value), "");
}

void add_forbidden(Causes* causes, std::string path, std::string_view detail) {
  add(causes, "FieldValueForbidden", std::move(path), "Forbidden", detail);
}

void add_not_found(Causes* causes, std::string path, const Value& value) {
  add(causes, "FieldValueNotFound", std::move(path), "Not found: " + shown(value), "");
}

void add_too_long(Causes* causes, std::string path, size_t max_bytes) {
  add(causes, "FieldValueTooLong", std::move(path), "Too long",
      "may not be more than " + std::to_string(max_bytes) + " bytes");
}

void add_too_many(Causes* causes, std::string path, size_t count, size_t max_items) {
  add(causes, "FieldValueTooMany", std::move(path), "Too many: " + std::to_string(count),
      "must have at most " + std::to_string(max_items) + " items");
}

void add_problems(Causes* causes, const std::string& path, const Value& value,
                  const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) add_invalid(causes, path, value, problem);
}

}  // namespace orch::api
