// documents: GET of what is no resource: version, discovery, OpenAPI. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "api/schema.h"
#include "base/result.h"
#include "http/http.h"
#include "server/apiserver/route.h"

namespace orch::apiserver {

// 404 (plain text) for a path that leads nowhere. `server_address` is host:port for /api.
Result<http::Response> serve_document(const api::Schema& schema, const http::Request& request,
                                      const Target& target, std::string_view server_address);

}  // namespace orch::apiserver
