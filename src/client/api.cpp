// The little of client/api.h that is not an interface.
#include "client/api.h"

#include "base/strings.h"

namespace orch::client {

int64_t revision_of(const api::Value& object) {
  return parse_int(object["metadata"]["resourceVersion"].as_string()).value_or(0);
}

ObjectKey key_of(const api::Value& object) {
  const api::Value& metadata = object["metadata"];
  return {metadata["namespace"].as_string(), metadata["name"].as_string()};
}

api::Value Change::object() const { return api::parse_json(bytes).value_or(api::Value()); }

}  // namespace orch::client
