// Events in both their versions: core/v1, as they lie in the store, and events.k8s.io/v1, which
// calls the same things by other names and asks more of who makes them.
// Follows: API conventions "Events", KEP-383.
#include <array>
#include <string>
#include <utility>

#include "api/hook_list.h"
#include "api/names.h"

namespace orch::api {
namespace {

constexpr size_t kMaxWord = 128;  // Of reason, action and reportingInstance.
constexpr size_t kMaxNote = 1024;

struct Renamed {
  std::string_view events, core;
};
constexpr std::array<Renamed, 7> kRenamed = {{{"reportingController", "reportingComponent"},
                                              {"regarding", "involvedObject"},
                                              {"note", "message"},
                                              {"deprecatedSource", "source"},
                                              {"deprecatedFirstTimestamp", "firstTimestamp"},
                                              {"deprecatedLastTimestamp", "lastTimestamp"},
                                              {"deprecatedCount", "count"}}};

void rename(Value& event, std::string_view from, std::string_view to) {
  Value* value = event.find(from);
  if (value == nullptr) return;
  Value moved = std::move(*value);
  event.remove(from);
  event.set(to, std::move(moved));
}

void to_core(Value& event) {
  for (const auto& [events, core] : kRenamed) rename(event, events, core);
}

void from_core(Value& event) {
  for (const auto& [events, core] : kRenamed) rename(event, core, events);
}

// An event lives beside what it is about; that of a cluster's object in default.
bool is_beside(const Value& event, const std::string& about) {
  const std::string& ns = event.at("metadata.namespace").as_string();
  return about.empty() ? ns == "default" || ns == "kube-system" : ns == about;
}

void validate_event(const Value& event, Causes& causes) {
  const std::string& about = event.at("involvedObject.namespace").as_string();
  if (is_beside(event, about)) return;
  add_invalid(&causes, "involvedObject.namespace", about, "does not match event.namespace");
}

void validate_word(const Value& event, const char* name, Causes& causes) {
  if (event[name].empty()) return add_required(&causes, name);
  if (event[name].size() > kMaxWord || event[name].as_string().size() > kMaxWord) {
    add_invalid(&causes, name, event[name], "can have at most 128 characters");
  }
}

void validate_new_event(const Value& event, Causes& causes) {
  if (event["eventTime"].empty()) add_required(&causes, "eventTime");
  const Value& type = event["type"];
  if (type.as_string() != "Normal" && type.as_string() != "Warning") {
    add_invalid(&causes, "type", type, "has invalid value: " + type.as_string());
  }
  const Value& controller = event["reportingController"];
  if (controller.empty()) {
    add_required(&causes, "reportingController");
  } else {
    add_problems(&causes, "reportingController", controller,
                 qualified_name_problems(controller.as_string()));
  }
  for (const char* name : {"reportingInstance", "action", "reason"}) {
    validate_word(event, name, causes);
  }
  if (event["note"].as_string().size() > kMaxNote) {
    add_invalid(&causes, "note", event["note"], "can have at most 1024 characters");
  }
}

// What happened stays; that it happened again may be told.
void validate_new_event_update(const Value& event, const Value& old, std::string_view,
                               Causes& causes) {
  for (const char* name : {"regarding", "reason", "type", "note", "action", "reportingController",
                           "reportingInstance", "eventTime", "related"}) {
    if (event[name] == old[name]) continue;
    add_invalid(&causes, name, event[name], "field is immutable");
  }
}

}  // namespace

const Hook kEventHook = {
    .validate = validate_event,
};

const Hook kNewEventHook = {
    .to_stored = to_core,
    .from_stored = from_core,
    .validate = validate_new_event,
    .validate_update = validate_new_event_update,
};

}  // namespace orch::api
