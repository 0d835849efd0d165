// authenticate: who sent this request? A client certificate that TLS verified (CN is the user, O
// its groups), or a bearer token: the administrator's, one of the file of tokens, a bootstrap
// token, an external issuer's, a service account's. Thread-safe; waits for nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/http.h"
#include "server/apiserver/oidc.h"
#include "server/apiserver/static_tokens.h"
#include "server/apiserver/tokens.h"
#include "server/apiserver/user.h"

namespace orch::apiserver {

class Authenticator {
 public:
  struct Parts {
    const Tokens& tokens;
    const store::Store& store;  // Has the bootstrap tokens.
    Clock& clock;
    std::string admin_token;  // "" = none.
    StaticTokens static_tokens;
    std::unique_ptr<OidcIssuer> issuer;  // Null: none.
  };
  explicit Authenticator(Parts parts) : parts_(std::move(parts)) {}

  // 401 for credentials that are none; without any the anonymous user, who may see little.
  Result<User> authenticate(const http::Request& request) const;
  // A bearer token, for at least one of the audiences (none: this server). 401 otherwise.
  Result<TokenUser> user_of_token(std::string_view token,
                                  const std::vector<std::string>& audiences) const;

 private:
  Result<User> user_of_plain_token(std::string_view token) const;

  const Parts parts_;
};

// "Bearer x" → "x"; "" when the header is missing or of another kind.
std::string_view bearer_token(const http::Request& request);

}  // namespace orch::apiserver
