// The cells of `kubectl get` that a path can't say, one function each; names stand in the schema.
// Here: what all families share, cells of any kind, and the look-up.
#include "api/table_cells.h"

#include <algorithm>
#include <map>

#include "api/selector.h"
#include "base/strings.h"
#include "base/time_spans.h"

namespace orch::api {

namespace {

constexpr size_t kMaxListed = 3;  // "a,b,c + 2 more..."

Value age(const Value& o, WallTime now) { return age_of(o["metadata"]["creationTimestamp"], now); }
Value data_count(const Value& o, WallTime) {
  return static_cast<int64_t>(o["data"].size() + o["binaryData"].size());
}
Value secrets_count(const Value& o, WallTime) { return count_of(o["secrets"]); }

constexpr Cell kCells[] = {
    {"age", age},
    {"data_count", data_count},
    {"secrets_count", secrets_count},
};

const std::map<std::string_view, CellFunction>& cell_functions() {
  static const std::map<std::string_view, CellFunction> functions = [] {
    std::map<std::string_view, CellFunction> all(std::begin(kCells), std::end(kCells));
    for (const auto& family : {pod_cells(), network_cells(), workload_cells(), event_cells(),
                               storage_cells(), policy_cells()}) {
      all.insert(family.begin(), family.end());
    }
    return all;
  }();
  return functions;
}

}  // namespace

std::string or_none(std::string text) { return text.empty() ? "<none>" : text; }

std::string age_of(const Value& time, WallTime now) {
  WallTime then;
  if (!parse_time(time.as_string(), &then)) return "<unknown>";
  return human_duration(time_between(then, now));
}

std::string first_few(const std::vector<std::string>& all) {
  const size_t shown = std::min(all.size(), kMaxListed);
  std::string out = join({all.begin(), all.begin() + static_cast<ptrdiff_t>(shown)}, ",");
  if (all.size() > shown) out += " + " + std::to_string(all.size() - shown) + " more...";
  return out;
}

std::string text_of_labels(const Value& map) {
  std::map<std::string, std::string> labels;
  for (const Value::Member& m : map.members()) labels[m.name] = m.value.as_string();
  std::vector<std::string> parts;
  for (const auto& [key, value] : labels) parts.push_back(key + "=" + value);
  return or_none(join(parts, ","));
}

std::string text_of_selector(const Value& selector) {
  if (selector.is_null()) return "<none>";
  const auto parsed = LabelSelector::from_object(selector);
  return parsed ? or_none(parsed->to_string()) : "<error>";
}

const Value* condition(const Value& object, std::string_view type) {
  for (const Value& c : object["status"]["conditions"].items())
    if (c["type"].as_string() == type) return &c;
  return nullptr;
}

bool condition_true(const Value& object, std::string_view type) {
  const Value* c = condition(object, type);
  return c != nullptr && (*c)["status"].as_string() == "True";
}

Value count_of(const Value& list) { return static_cast<int64_t>(list.size()); }

std::string joined(const Value& list, std::string_view field, std::string_view separator) {
  std::vector<std::string> parts;
  for (const Value& item : list.items()) parts.push_back(item[field].as_string());
  return join(parts, separator);
}

CellFunction find_cell_function(std::string_view name) {
  const auto at = cell_functions().find(name);
  return at == cell_functions().end() ? nullptr : at->second;
}

}  // namespace orch::api
