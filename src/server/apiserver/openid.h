// openid: the two documents by which others check service accounts' tokens without asking us:
// /.well-known/openid-configuration and /openid/v1/jwks. PURE.
// Follows: OpenID Connect Discovery 1.0, RFC 7517, KEP-1393.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "http/http.h"

namespace orch::apiserver {

inline constexpr std::string_view kOpenidConfigurationPath = "/.well-known/openid-configuration";
inline constexpr std::string_view kOpenidKeysPath = "/openid/v1/jwks";

bool is_openid_path(std::string_view path);
// `server_address` is "10.0.0.7:6443", `keys` the JSON Web Keys that tokens are checked with,
// separated by commas.
// REQUIRES: is_openid_path(path).
http::Response serve_openid(std::string_view path, std::string_view issuer,
                            std::string_view server_address, std::string_view keys);

}  // namespace orch::apiserver
