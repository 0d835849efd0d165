// What several controllers ask of objects: who controls them, whether a pod is ready, conditions.
// Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "api/schema.h"
#include "api/selector.h"
#include "base/clock.h"
#include "client/api.h"
#include "client/loop_runner.h"

namespace orch::controllers {

const std::string& name_of(const api::Value& object);
const std::string& namespace_of(const api::Value& object);
const std::string& uid_of(const api::Value& object);
bool is_deleting(const api::Value& object);  // Has a deletionTimestamp.

// The ownerReference with controller: true, or null.
const api::Value* controller_of(const api::Value& object);
bool is_controlled_by(const api::Value& object, std::string_view uid);
// The ownerReference to a controller that blocks its owner's foreground deletion.
api::Value controller_reference(const api::Value& owner);

// The key of the controller of a changed object, before and after the change, when it is a `kind`.
std::vector<client::ObjectKey> controllers_of(const client::ChangedObject& changed,
                                              std::string_view kind);

// --- pods ---

bool is_finished(const api::Value& pod);  // Succeeded or Failed.
bool is_active(const api::Value& pod);    // Neither finished nor being deleted.
bool is_ready(const api::Value& pod);     // Condition Ready is True.
// Since when condition Ready is as it is; the epoch when unknown.
WallTime ready_since(const api::Value& pod);
// Ready for at least `min_ready_s`.
bool is_available(const api::Value& pod, int64_t min_ready_s, WallTime now);

// --- conditions ---

const api::Value* find_condition(const api::Value& object, std::string_view type);
bool condition_is(const api::Value& object, std::string_view type, std::string_view status);

// --- times ---

// The time of metav1.Time `value`, or the epoch.
WallTime time_of(const api::Value& value);

// The object with `value` as its status; `object` keeps its own otherwise.
api::Value with_status(const api::Value& object, api::Value status);

}  // namespace orch::controllers
