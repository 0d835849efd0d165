// authenticate: who sent this request? A client certificate that TLS verified (CN is the user, O
// its groups), or a bearer token: the administrator's, one of the file of tokens, a bootstrap
// token, an external issuer's, a service account's. A WebSocket's token may be one of its
// subprotocols. Thread-safe; waits for nothing.
#pragma once

#include <functional>
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
    bool anonymous = true;               // Who shows nothing is system:anonymous.
  };
  explicit Authenticator(Parts parts) : parts_(std::move(parts)) {}

  // 401 for credentials that are none; without any the anonymous user, who may see little, or 401.
  Result<User> authenticate(const http::Request& request) const;
  // True when the 401 was for a key that the external issuer is being asked for just now: `again`
  // is called when he has answered, on a thread of ours, and will not be told so twice.
  bool call_again(const http::Request& request, std::function<void()> again) const;
  void stop() const {
    if (parts_.issuer) parts_.issuer->stop();
  }
  // A bearer token, for at least one of the audiences (none: this server). 401 otherwise.
  Result<TokenUser> user_of_token(std::string_view token,
                                  const std::vector<std::string>& audiences) const;

 private:
  Result<User> user_of_plain_token(std::string_view token) const;

  const Parts parts_;
};

// "Bearer x" → "x"; "" when the header is missing or of another kind.
std::string_view bearer_token(const http::Request& request);
// The token among the subprotocols that a WebSocket offers; "" = none there. 401 when it is not
// base64url of UTF-8, not the only one, or nothing else is offered. PURE.
Result<std::string> websocket_token(const http::Request& request);

}  // namespace orch::apiserver
