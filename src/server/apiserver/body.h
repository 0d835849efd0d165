// body: what a request carries, as a value. PURE.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "api/schema.h"
#include "base/result.h"
#include "http/http.h"
#include "server/apiserver/write.h"

namespace orch::apiserver {

struct ParsedBody {
  api::Value value;                     // Null when there was no body.
  std::vector<std::string> duplicates;  // Members that stood twice.
};

// JSON, YAML or Kubernetes' protobuf, by Content-Type; 415 for anything else, 400 for what can't be
// parsed.
Result<ParsedBody> parse_body(const api::Schema& schema, const http::Request& request);
// The same of a body that must be an object of that kind, and says so where it is not.
Result<ParsedBody> parse_object(const api::Schema& schema, const http::Request& request,
                                std::string_view kind);

struct ParsedPatch {
  PatchKind kind = PatchKind::merge;
  ParsedBody body;
};
Result<ParsedPatch> parse_patch(const http::Request& request);

}  // namespace orch::apiserver
