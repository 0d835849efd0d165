#include "server/apiserver/authenticate.h"

#include "base/log.h"
#include "base/strings.h"
#include "crypto/digest.h"
#include "server/apiserver/bootstrap_tokens.h"

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
    if (user) return std::move(user->user);
    if (user.status().code != 401) return std::move(user).status();
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

// Tokens that say nothing of an audience are meant for this server.
Result<TokenUser> Authenticator::user_of_token(std::string_view token,
                                               const std::vector<std::string>& audiences) const {
  if (token.empty()) return unauthorized();
  auto plain = user_of_plain_token(token);
  if (!plain && plain.status().code == 404) return parts_.tokens.verify(token, audiences);
  TokenUser known{ORCH_TRY(std::move(plain)), parts_.tokens.own_audiences(audiences)};
  if (known.audiences.empty()) return unauthorized("the token is not meant for this audience");
  return known;
}

// 404: it is none of these.
Result<User> Authenticator::user_of_plain_token(std::string_view token) const {
  const std::string& admin_token = parts_.admin_token;
  if (!admin_token.empty() && crypto::equal_secrets(token, admin_token)) {
    User admin;
    admin.name = "system:admin";
    admin.groups = {std::string(kMastersGroup), std::string(kAuthenticatedGroup)};
    return admin;
  }
  if (auto user = parts_.static_tokens.find(token)) return *std::move(user);
  if (is_bootstrap_token(token)) return find_bootstrap(parts_.store, token, parts_.clock.now());
  if (parts_.issuer) {
    const auto parsed = parse_token(token);
    if (parsed && parts_.issuer->concerns(*parsed)) return parts_.issuer->authenticate(*parsed);
  }
  return not_found("a service account's token, or none");
}

}  // namespace orch::apiserver
