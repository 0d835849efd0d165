// Hooks: what a kind demands beyond its table, one file per kind (hook_pod.cpp, ...), found by the
// name in its row (hook=). All pure: no clock, no look at other objects (allocating addresses,
// looking for service accounts and the like are the server's admission). Any member may be null.
// The front door is api/strategy.h; nobody else calls hooks.
#pragma once

#include <string_view>

#include "api/causes.h"
#include "api/json.h"

namespace orch::api {

struct Hook {
  void (*defaults)(Value& object) = nullptr;
  // Before an object is stored for the first time. strategy.h has dropped its status, unless
  // keeps_status says that creators bring one (nodes).
  void (*prepare_create)(Value& object) = nullptr;
  bool keeps_status = false;
  // Before an object replaces `old`, through the resource itself or a subresource.
  void (*prepare_update)(Value& object, const Value& old, std::string_view subresource) = nullptr;
  // Whether metadata.generation stays; unset: it does while spec is equal.
  bool (*same_generation)(const Value& object, const Value& old) = nullptr;

  // Of a version that isn't the store's (storage= in its row): to the stored one's form and back.
  // kind and apiVersion are the caller's to set. `object` is decoded, maybe not whole (an apply).
  void (*to_stored)(Value& object) = nullptr;
  void (*from_stored)(Value& object) = nullptr;

  void (*validate_create)(const Value& object, Causes& causes) = nullptr;  // Beside validate.
  void (*validate)(const Value& object, Causes& causes) = nullptr;
  bool ignores_status = false;  // validate() does, so that a write to /status need not ask it.
  void (*validate_update)(const Value& object, const Value& old, std::string_view subresource,
                          Causes& causes) = nullptr;
};

// nullptr when there is none of that name.
const Hook* find_hook(std::string_view name);

}  // namespace orch::api
