// openapi_types: types of the schema as JSON schemas, in the words of OpenAPI v2 or v3. They differ
// in where schemas lie, in what may stand beside a reference, and in that v2 tells no defaults.
// Pure. Follows: OpenAPI 2.0 and 3.0.3, KEP-2896, the x-kubernetes-* extensions. Called by
// openapi.cpp.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/docs.h"
#include "api/json.h"
#include "api/schema.h"

namespace orch::api {

enum class Dialect { v2, v3 };

inline constexpr std::string_view kMetaOpenApiPrefix = "io.k8s.apimachinery.pkg.apis.meta.v1.";

// By name, so that a document is the same on every server.
struct ByName {
  bool operator()(const Type* a, const Type* b) const { return a->name < b->name; }
};
using Types = std::set<const Type*, ByName>;

// {"type": ..., "format": ...}
Value plain_schema(const char* type, const char* format = nullptr);
// {"$ref": ...} to a schema of the same document.
Value schema_reference(Dialect dialect, std::string_view openapi_name);
// [{"group": ..., "version": ..., "kind": ...}]'s one item.
Value kind_reference(std::string_view group, std::string_view version, std::string_view kind);

// The types that it names go into `further`.
Value type_schema(Dialect dialect, const Docs& docs, const Type& type, Types* further);
// PodList of Pod.
Value list_schema(Dialect dialect, const Resource& resource);
// Quantities, times and the like, by name.
std::vector<std::pair<std::string, Value>> scalar_schemas(Dialect dialect);

}  // namespace orch::api
