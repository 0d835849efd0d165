#include "server/apiserver/openid.h"

#include "api/json.h"
#include "server/apiserver/respond.h"
#include "server/apiserver/tokens.h"

namespace orch::apiserver {

bool is_openid_path(std::string_view path) {
  return path == kOpenidConfigurationPath || path == kOpenidKeysPath;
}

http::Response serve_openid(std::string_view path, std::string_view issuer,
                            std::string_view server_address, std::string_view keys) {
  using api::Value;
  http::Response response;
  if (path == kOpenidKeysPath) {
    response = json_response(200, "{\"keys\":[" + std::string(keys) + "]}");
    response.headers.set("Content-Type", "application/jwk-set+json");
  } else {
    const std::string address =
        "https://" + std::string(server_address) + std::string(kOpenidKeysPath);
    response = value_response(
        200, Value::object({{"issuer", issuer},
                            {"jwks_uri", address},
                            {"response_types_supported", Value::array({"id_token"})},
                            {"subject_types_supported", Value::array({"public"})},
                            {"id_token_signing_alg_values_supported", Value::array({"ES256"})}}));
  }
  response.headers.set("Cache-Control", "public, max-age=3600");
  return response;
}

}  // namespace orch::apiserver
