// json_syntax: what is wrong with a JSON text, in the words of Go's encoding/json, which clients
// know from every Kubernetes API server. PURE.
#pragma once

#include <string>
#include <string_view>

namespace orch::api {

// `code` and `offset` are those of RapidJSON's parse error.
std::string render_syntax_error(std::string_view text, int code, size_t offset);

}  // namespace orch::api
