// OpenAPI of what is served: v3, one document per group-version, and v2, one document for all, as
// JSON and as protobuf. They are made of the schema when somebody asks (kubectl explain, apply,
// create --validate), part by part, so that no tree of a whole document is ever in memory. Pure;
// nothing is kept (server/apiserver/openapi_documents keeps).
// Follows: OpenAPI 2.0 and 3.0.3 with Kubernetes' x-kubernetes-* extensions, KEP-2896.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"

namespace orch::api {

// What GET /openapi/v3 lists, without that prefix: "api/v1", "apis/apps/v1".
std::vector<std::string> openapi_v3_paths(const Schema& schema);
// The document of one of them; "" when there is no such.
std::string render_openapi_v3(const Schema& schema, std::string_view path);

// GET /openapi/v2.
std::string render_openapi_v2(const Schema& schema);
// The same as the message openapi.v2.Document (gnostic's OpenAPIv2.proto).
std::string render_openapi_v2_protobuf(const Schema& schema);

}  // namespace orch::api
