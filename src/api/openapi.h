// OpenAPI v3 of what is served, one document per group-version, made of the schema when somebody
// asks (kubectl explain, apply, create --validate). Pure; nothing is kept.
// Follows: OpenAPI 3.0.3 with Kubernetes' x-kubernetes-* extensions, KEP-2896.
#pragma once

#include <string>
#include <string_view>

#include "api/schema.h"

namespace orch::api {

// GET /openapi/v3: the documents and their hashes.
std::string render_openapi_index(const Schema& schema);
// GET /openapi/v3/api/v1, /openapi/v3/apis/apps/v1; "" when there is no such version.
std::string render_openapi_v3(const Schema& schema, std::string_view group,
                              std::string_view version);

}  // namespace orch::api
