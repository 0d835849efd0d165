// json_syntax: what is wrong with a JSON text, in the words of Go's encoding/json, which clients
// know from every Kubernetes API server. PURE.
#pragma once

#include <rapidjson/error/error.h>

#include <string>
#include <string_view>

namespace orch::api {

// `code` and `offset` are RapidJSON's.
std::string render_syntax_error(std::string_view text, rapidjson::ParseErrorCode code,
                                size_t offset);

}  // namespace orch::api
