// openapi_paths: the URLs of a resource and what can be done there, in the words of OpenAPI v2 or
// v3: operations with their parameters, bodies, answers, and the names (operationId) by which
// generated clients call them. Pure. Called by openapi.cpp.
#pragma once

#include <functional>
#include <string_view>

#include "api/openapi_types.h"

namespace orch::api {

// Takes one named part of a document: "/api/v1/pods" and the Path Item of it.
using Emit = std::function<void(std::string_view name, const Value& part)>;

// The types that its operations speak go into `further`.
void emit_paths(Dialect dialect, const Schema& schema, const Resource& resource, Types* further,
                const Emit& emit);
// The document of a group-version's resources itself: /apis/apps/v1/.
void emit_discovery_path(Dialect dialect, std::string_view group, std::string_view version,
                         const Emit& emit);
// v2 keeps the parameters that many operations have in one place.
void emit_shared_parameters(const Emit& emit);

}  // namespace orch::api
