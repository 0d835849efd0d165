#include "server/apiserver/authenticate.h"

#include "base/log.h"
#include "base/strings.h"
#include "crypto/digest.h"
#include "http/websocket.h"
#include "server/apiserver/bootstrap_tokens.h"

namespace orch::apiserver {

std::string_view bearer_token(const http::Request& request) {
  const std::string_view header = request.headers.get("Authorization");
  const size_t blank = header.find(' ');
  if (blank == std::string_view::npos || to_lower(header.substr(0, blank)) != "bearer") return "";
  return trim(header.substr(blank + 1));
}

Result<std::string> websocket_token(const http::Request& request) {
  std::optional<std::string> token;
  if (!http::is_websocket_request(request)) return std::string();
  for (const std::string_view line : request.headers.all("Sec-WebSocket-Protocol")) {
    for (const std::string_view part : split(line, ',')) {
      const std::string_view name = trim(part);
      if (!name.starts_with(http::kBearerProtocol)) continue;
      if (token) return unauthorized();
      token = base64url_decode(name.substr(http::kBearerProtocol.size()));
      if (!token || !valid_utf8(*token)) return unauthorized();
    }
  }
  if (!token || token->empty()) return std::string();
  // The answer must name one that was offered, and can't name this.
  if (http::offered_protocols(request).empty()) return unauthorized();
  return *std::move(token);
}

Result<User> Authenticator::authenticate(const http::Request& request) const {
  const std::string shown = ORCH_TRY(websocket_token(request));
  if (request.headers.has("Authorization") || !shown.empty()) {
    auto user = user_of_token(shown.empty() ? bearer_token(request) : shown, {});
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
  if (request.peer.bad_certificate || !parts_.anonymous) return unauthorized();
  User anonymous;
  anonymous.name = "system:anonymous";
  anonymous.groups = {"system:unauthenticated"};
  return anonymous;
}

bool Authenticator::call_again(const http::Request& request, std::function<void()> again) const {
  if (!parts_.issuer) return false;
  const auto shown = websocket_token(request);
  const auto parsed =
      parse_token(shown.ok() && !shown->empty() ? std::string_view(*shown) : bearer_token(request));
  return parsed && parts_.issuer->concerns(*parsed) &&
         parts_.issuer->call_again(*parsed, std::move(again));
}

// Tokens that say nothing of an audience are meant for this server.
Result<TokenUser> Authenticator::user_of_token(std::string_view token,
                                               const std::vector<std::string>& audiences) const {
  if (token.empty()) return unauthorized();
  auto plain = user_of_plain_token(token);
  if (!plain && plain.status().code == 404) return parts_.tokens.verify(token, audiences);
  if (!plain) return std::move(plain).status();
  TokenUser known{*std::move(plain), parts_.tokens.own_audiences(audiences)};
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
