#include "server/apiserver/authenticate.h"

#include "base/log.h"
#include "base/strings.h"
#include "crypto/digest.h"

namespace orch::apiserver {

std::string_view bearer_token(const http::Request& request) {
  const std::string_view header = request.headers.get("Authorization");
  const size_t blank = header.find(' ');
  if (blank == std::string_view::npos || to_lower(header.substr(0, blank)) != "bearer") return "";
  return trim(header.substr(blank + 1));
}

Result<User> Authenticator::authenticate(const http::Request& request) const {
  if (request.headers.has("Authorization")) {
    auto user = user_of_token(bearer_token(request), {});
    if (user || user.status().code != 401) return user;
    // Why a token is refused is the administrator's business, not a stranger's.
    log::debug("apiserver", "token refused: " + user.status().message);
    return unauthorized();
  }
  if (request.peer.has_certificate) {
    User user;
    user.name = request.peer.common_name;
    user.groups = request.peer.organizations;
    user.groups.emplace_back(kAuthenticatedGroup);
    return user;
  }
  User anonymous;
  anonymous.name = "system:anonymous";
  anonymous.groups = {"system:unauthenticated"};
  return anonymous;
}

Result<User> Authenticator::user_of_token(std::string_view token,
                                          const std::vector<std::string>& audiences) const {
  if (token.empty()) return unauthorized();
  if (!admin_token_.empty() && crypto::equal_secrets(token, admin_token_)) {
    User admin;
    admin.name = "system:admin";
    admin.groups = {std::string(kMastersGroup), std::string(kAuthenticatedGroup)};
    return admin;
  }
  return tokens_.verify(token, audiences);
}

}  // namespace orch::apiserver
