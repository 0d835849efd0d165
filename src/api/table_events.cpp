// The cells of events.
#include <algorithm>
#include <string>

#include "api/table_cells.h"
#include "base/strings.h"

namespace orch::api {
namespace {

// events.k8s.io/v1 and core/v1 tell the same thing in other words.
const Value& either(const Value& o, std::string_view core, std::string_view events) {
  return o[core].is_null() ? o[events] : o[core];
}

Value event_first_seen(const Value& o, WallTime now) {
  const Value& first = either(o, "firstTimestamp", "deprecatedFirstTimestamp");
  return age_of(first.is_null() ? o["eventTime"] : first, now);
}

Value event_last_seen(const Value& o, WallTime now) {
  if (o["series"].is_object()) return age_of(o["series"]["lastObservedTime"], now);
  const Value& last = either(o, "lastTimestamp", "deprecatedLastTimestamp");
  return last.is_null() ? event_first_seen(o, now) : Value(age_of(last, now));
}

Value event_object(const Value& o, WallTime) {
  const Value& about = either(o, "involvedObject", "regarding");
  std::string text = to_lower(about["kind"].as_string());
  if (!about["name"].empty()) text += "/" + about["name"].as_string();
  return text;
}

Value event_subobject(const Value& o, WallTime) {
  return either(o, "involvedObject", "regarding")["fieldPath"].as_string();
}

Value event_source(const Value& o, WallTime) {
  const Value& source = either(o, "source", "deprecatedSource");
  const auto first = [](const Value& a, const Value& b) { return (a.empty() ? b : a).as_string(); };
  const std::string host = first(source["host"], o["reportingInstance"]);
  const Value& reporter = either(o, "reportingComponent", "reportingController");
  const std::string component = first(source["component"], reporter);
  return host.empty() ? component : component + ", " + host;
}

Value event_message(const Value& o, WallTime) {
  return trim(either(o, "message", "note").as_string());
}

Value event_count(const Value& o, WallTime) {
  if (o["series"].is_object()) return o["series"]["count"].as_int();
  return std::max<int64_t>(1, either(o, "count", "deprecatedCount").as_int());
}

constexpr Cell kEventCells[] = {
    {"event_first_seen", event_first_seen}, {"event_last_seen", event_last_seen},
    {"event_object", event_object},         {"event_subobject", event_subobject},
    {"event_source", event_source},         {"event_message", event_message},
    {"event_count", event_count},
};

}  // namespace

std::span<const Cell> event_cells() { return kEventCells; }

}  // namespace orch::api
