// authenticate: who sent this request? A client certificate that TLS verified (CN is the user, O
// its groups), the administrator's static token, or a service account's token. Thread-safe; reads
// the store only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "http/http.h"
#include "server/apiserver/tokens.h"
#include "server/apiserver/user.h"

namespace orch::apiserver {

class Authenticator {
 public:
  // `admin_token` "" = none.
  Authenticator(const Tokens& tokens, std::string admin_token)
      : tokens_(tokens), admin_token_(std::move(admin_token)) {}

  // 401 for credentials that are none; without any the anonymous user, who may see little.
  Result<User> authenticate(const http::Request& request) const;
  // A bearer token, for at least one of the audiences (none: this server). 401 otherwise.
  Result<User> user_of_token(std::string_view token,
                             const std::vector<std::string>& audiences) const;

 private:
  const Tokens& tokens_;
  const std::string admin_token_;
};

// "Bearer x" → "x"; "" when the header is missing or of another kind.
std::string_view bearer_token(const http::Request& request);

}  // namespace orch::apiserver
