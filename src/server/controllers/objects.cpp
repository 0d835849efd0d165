// See objects.h.
#include "server/controllers/objects.h"

#include <algorithm>

#include "base/time_spans.h"

namespace orch::controllers {

using api::Value;

const std::string& name_of(const Value& object) { return object["metadata"]["name"].as_string(); }
const std::string& namespace_of(const Value& object) {
  return object["metadata"]["namespace"].as_string();
}
const std::string& uid_of(const Value& object) { return object["metadata"]["uid"].as_string(); }
bool is_deleting(const Value& object) { return !object["metadata"]["deletionTimestamp"].is_null(); }

const Value* controller_of(const Value& object) {
  for (const Value& owner : object["metadata"]["ownerReferences"].items())
    if (owner["controller"].as_bool()) return &owner;
  return nullptr;
}

bool is_controlled_by(const Value& object, std::string_view uid) {
  const Value* owner = controller_of(object);
  return owner != nullptr && (*owner)["uid"].as_string() == uid;
}

Value controller_reference(const Value& owner) {
  return Value::object({{"apiVersion", owner["apiVersion"]},
                        {"kind", owner["kind"]},
                        {"name", name_of(owner)},
                        {"uid", uid_of(owner)},
                        {"controller", true},
                        {"blockOwnerDeletion", true}});
}

std::vector<client::ObjectKey> controllers_of(const client::ChangedObject& changed,
                                              std::string_view kind) {
  // What nobody owns is seen without parsing it.
  bool owned = false;
  const client::Change& change = changed.change();
  for (const std::string_view state : {change.bytes, change.previous}) {
    owned = owned || state.find("\"ownerReferences\"") != state.npos;
  }
  if (!owned) return {};

  std::vector<client::ObjectKey> keys;
  for (const Value* object : {&changed.object(), &changed.previous()}) {
    const Value* owner = controller_of(*object);
    if (owner == nullptr || (*owner)["kind"].as_string() != kind) continue;
    client::ObjectKey key{changed.key().ns, (*owner)["name"].as_string()};
    if (keys.empty() || keys.front() != key) keys.push_back(std::move(key));
  }
  return keys;
}

bool is_finished(const Value& pod) {
  const std::string& phase = pod["status"]["phase"].as_string();
  return phase == "Succeeded" || phase == "Failed";
}

bool is_active(const Value& pod) { return !is_finished(pod) && !is_deleting(pod); }

bool is_ready(const Value& pod) { return condition_is(pod, "Ready", "True"); }

WallTime ready_since(const Value& pod) {
  const Value* ready = find_condition(pod, "Ready");
  return ready == nullptr ? WallTime{} : time_of((*ready)["lastTransitionTime"]);
}

bool is_available(const Value& pod, int64_t min_ready_s, WallTime now) {
  if (!is_ready(pod)) return false;
  return min_ready_s == 0 || later(ready_since(pod), std::chrono::seconds(min_ready_s)) <= now;
}

const Value* find_condition(const Value& object, std::string_view type) {
  for (const Value& condition : object["status"]["conditions"].items())
    if (condition["type"].as_string() == type) return &condition;
  return nullptr;
}

bool condition_is(const Value& object, std::string_view type, std::string_view status) {
  const Value* condition = find_condition(object, type);
  return condition != nullptr && (*condition)["status"].as_string() == status;
}

WallTime time_of(const Value& value) {
  WallTime time{};
  if (!parse_time(value.as_string(), &time)) return WallTime{};
  return time;
}

Value with_status(const Value& object, Value status) {
  Value out = object;
  out.set("status", std::move(status));
  return out;
}

}  // namespace orch::controllers
