// Selectors: which objects a reader means, by labels or by a few fields. Pure.
// Follows: Kubernetes "Labels and Selectors" and "Field Selectors".
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/json.h"
#include "base/result.h"

namespace orch::api {

using Labels = std::vector<std::pair<std::string, std::string>>;  // Sorted by key.

// The labels of an object's metadata, sorted.
Labels labels_of(const Value& object);

class LabelSelector {
 public:
  enum class Operator { in, not_in, exists, not_exists, greater, less };
  struct Requirement {
    std::string key;
    Operator op = Operator::exists;
    std::vector<std::string> values;  // Sorted, without repeats.
  };

  LabelSelector() = default;  // Everything.
  static LabelSelector nothing();
  // "a=b,c!=d,e in (f,g),!h,i>3". At most kMaxTextBytes. 400 otherwise.
  static Result<LabelSelector> parse(std::string_view text);
  // metav1.LabelSelector {matchLabels, matchExpressions}; null selects nothing, {} everything.
  static Result<LabelSelector> from_object(const Value& selector);
  // {"a": "b"} as in a Service's spec.selector.
  static LabelSelector from_map(const Value& map);

  bool matches(const Labels& labels) const;
  // The same for labels that are kept elsewhere: `value_of` gives a label's value, nullopt for
  // none.
  template <class ValueOf>
  bool matches_with(const ValueOf& value_of) const {
    if (nothing_) return false;
    for (const Requirement& one : requirements_) {
      if (!satisfied(one, value_of(one.key))) return false;
    }
    return true;
  }
  bool everything() const { return !nothing_ && requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  std::string to_string() const;

  static constexpr size_t kMaxTextBytes = 64 << 10;

 private:
  static bool satisfied(const Requirement& one, std::optional<std::string_view> value);

  std::vector<Requirement> requirements_;
  bool nothing_ = false;
};

class FieldSelector {
 public:
  struct Requirement {
    std::string path;  // "metadata.name"
    std::string value;
    bool equal = true;
  };

  // "metadata.name=a,spec.nodeName!=b" with \\, \, and \= escapes. 400 otherwise.
  static Result<FieldSelector> parse(std::string_view text);

  bool everything() const { return requirements_.empty(); }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  std::vector<Requirement>& requirements() { return requirements_; }

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace orch::api
