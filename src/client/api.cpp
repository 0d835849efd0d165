// The little of client/api.h that is not an interface.
#include "client/api.h"

namespace orch::client {

ObjectKey key_of(const api::Value& object) {
  const api::Value& metadata = object["metadata"];
  return {metadata["namespace"].as_string(), metadata["name"].as_string()};
}

api::Value Change::object() const { return api::parse_json(bytes).value_or(api::Value()); }

}  // namespace orch::client
