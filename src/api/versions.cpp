#include "api/versions.h"

#include "api/canonical.h"
#include "api/hooks.h"
#include "base/check.h"

namespace orch::api {
namespace {

const Hook& hook_of(const Resource& resource) {
  const Hook* hook = find_hook(resource.hook);
  ORCH_CHECK(hook != nullptr && hook->to_stored != nullptr && hook->from_stored != nullptr);
  return *hook;
}

}  // namespace

Value to_stored(const Resource& resource, Value object) {
  if (resource.storage == nullptr || !object.is_object()) return object;
  hook_of(resource).to_stored(object);
  object.set("apiVersion", resource.stored().api_version());
  return object;
}

Value from_stored(const Resource& resource, Value object) {
  if (resource.storage == nullptr || !object.is_object()) return object;
  hook_of(resource).from_stored(object);
  object.set("apiVersion", resource.api_version());
  return canonicalize(*resource.type, std::move(object));
}

}  // namespace orch::api
