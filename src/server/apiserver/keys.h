// keys: where objects lie in the store, and the tags that lie beside them. PURE.
//
//   /pods/default/web   /nodes/a
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/json.h"
#include "api/schema.h"
#include "store/record.h"

namespace orch::apiserver {

std::string store_key(const api::Resource& resource, std::string_view ns, std::string_view name);
// The folder of a resource, or of one namespace of it.
std::string store_prefix(const api::Resource& resource, std::string_view ns);

// Namespace and name as they stand at the end of a key.
struct KeyParts {
  std::string_view ns, name;
};
KeyParts key_parts(const api::Resource& resource, std::string_view key);

// Labels (sorted), selectable fields and owners of an object.
store::Tags tags_of(const api::Resource& resource, const api::Value& object);
// For Store::open, which knows only keys.
store::Tags tags_of_stored(const api::Schema& schema, std::string_view key, std::string_view bytes);

}  // namespace orch::apiserver
