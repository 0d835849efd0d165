#include "server/apiserver/oidc_claims.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "crypto/jwt.h"

namespace orch::apiserver {
namespace {

using api::Value;

constexpr size_t kMaxKeys = 100;
constexpr size_t kMaxGroups = 1000;
constexpr int64_t kLeewaySeconds = 60;  // Clocks differ; for "not before" only.

Result<std::string> decoded(std::string_view text) {
  auto bytes = base64url_decode(text);
  if (!bytes) return unauthorized("the token is malformed");
  return *std::move(bytes);
}

bool names(const Value& audience, const std::string& client) {
  if (audience.is_string()) return audience.as_string() == client;
  return std::any_of(audience.items().begin(), audience.items().end(),
                     [&](const Value& each) { return each.as_string() == client; });
}

double seconds(const Value& claim) { return claim.is_number() ? claim.as_double() : NAN; }

Result<void> check_times(const Value& claims, WallTime now) {
  const auto since = now.time_since_epoch();
  const auto at =
      static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(since).count());
  if (!(seconds(claims["exp"]) > at)) return unauthorized("oidc: the token has expired");
  if (claims.has("nbf") && !(seconds(claims["nbf"]) <= at + kLeewaySeconds)) {
    return unauthorized("oidc: the token is not valid yet");
  }
  return {};
}

Result<std::string> username(const OidcOptions& options, const Value& claims) {
  const std::string& claim = options.username_claim;
  const std::string& name = claims[claim].as_string();
  if (name.empty()) return unauthorized("oidc: the claim \"" + claim + "\" is missing or no text");
  if (claim == "email" && claims.has("email_verified") &&
      !claims["email_verified"].as_bool(false)) {
    return unauthorized("oidc: email not verified");
  }
  if (options.username_prefix == "-") return name;
  if (!options.username_prefix.empty()) return options.username_prefix + name;
  return claim == "email" ? name : options.issuer_url + "#" + name;
}

Result<std::vector<std::string>> groups(const OidcOptions& options, const Value& claims) {
  std::vector<std::string> all;
  if (options.groups_claim.empty()) return all;
  const Value& claim = claims[options.groups_claim];
  if (claim.is_string()) return std::vector<std::string>{options.groups_prefix + claim.as_string()};
  if (claim.size() > kMaxGroups) return unauthorized("oidc: too many groups");
  for (const Value& group : claim.items()) {
    if (!group.is_string()) return unauthorized("oidc: a group is no text");
    all.push_back(options.groups_prefix + group.as_string());
  }
  return all;
}

}  // namespace

Result<void> check_oidc_options(const OidcOptions& options) {
  if (options.issuer_url.empty()) return {};
  if (!options.issuer_url.starts_with("https://")) {
    return bad_request("--oidc-issuer-url \"" + options.issuer_url +
                       "\": must begin with https://");
  }
  if (options.client_id.empty()) return bad_request("--oidc-issuer-url needs --oidc-client-id");
  if (options.username_claim.empty()) return bad_request("--oidc-username-claim may not be empty");
  for (const std::string& claim : options.required_claims) {
    if (claim.find('=') != claim.npos && claim.front() != '=') continue;
    return bad_request("--oidc-required-claim \"" + claim + "\": must be key=value");
  }
  for (const std::string& name : options.signing_algorithms) {
    if (crypto::is_signing_algorithm(name)) continue;
    return bad_request("--oidc-signing-algs \"" + name +
                       "\": must be one of RS256, RS384, RS512, "
                       "PS256, PS384, PS512, ES256, ES384, ES512");
  }
  return {};
}

Result<UnverifiedToken> parse_token(std::string_view token) {
  if (token.size() > crypto::max_token_bytes) return unauthorized("the token is too long");
  const auto parts = split(token, '.');
  if (parts.size() != 3) return unauthorized("the token is malformed");
  const std::string head = ORCH_TRY(decoded(parts[0]));
  const std::string body = ORCH_TRY(decoded(parts[1]));
  const auto header = api::parse_json(head);
  auto claims = api::parse_json(body);
  if (!header || !claims || !claims->is_object()) return unauthorized("the token is malformed");
  UnverifiedToken parsed;
  parsed.algorithm = (*header)["alg"].as_string();
  parsed.key_id = (*header)["kid"].as_string();
  if (header->has("crit")) return unauthorized("the token has critical extensions");
  parsed.claims = *std::move(claims);
  parsed.covered = token.substr(0, parts[0].size() + 1 + parts[1].size());
  parsed.signature = ORCH_TRY(decoded(parts[2]));
  return parsed;
}

Result<User> user_of_claims(const OidcOptions& options, const Value& claims, WallTime now) {
  if (claims["iss"].as_string() != options.issuer_url) return unauthorized("oidc: another issuer");
  if (!names(claims["aud"], options.client_id)) {
    return unauthorized("oidc: the token is meant for somebody else than " + options.client_id);
  }
  ORCH_TRY(check_times(claims, now));
  for (const std::string& required : options.required_claims) {
    const size_t equals = required.find('=');
    const Value& claim = claims[required.substr(0, equals)];
    if (claim.is_string() && claim.as_string() == required.substr(equals + 1)) continue;
    return unauthorized("oidc: required claim " + required.substr(0, equals) +
                        " is missing or another");
  }
  User user;
  user.name = ORCH_TRY(username(options, claims));
  user.groups = ORCH_TRY(groups(options, claims));
  const auto reserved = [](std::string_view name) { return name.starts_with("system:"); };
  if (reserved(user.name) || std::any_of(user.groups.begin(), user.groups.end(), reserved)) {
    return unauthorized("oidc: names with the prefix \"system:\" are the cluster's own");
  }
  user.groups.emplace_back(kAuthenticatedGroup);
  return user;
}

Result<IssuerKeys> parse_key_set(std::string_view json) {
  const Value set = ORCH_TRY(api::parse_json(json));
  const auto part = [](const Value& key, const char* name) {
    return base64url_decode(key[name].as_string()).value_or("");
  };
  IssuerKeys keys;
  for (const Value& key : set["keys"].items()) {
    if (keys.size() == kMaxKeys) break;
    if (key.has("use") && key["use"].as_string() != "sig") continue;
    const std::string& kind = key["kty"].as_string();
    const auto made =
        kind == "RSA" ? crypto::PublicKey::rsa(part(key, "n"), part(key, "e"))
        : kind == "EC"
            ? crypto::PublicKey::ec(key["crv"].as_string(), part(key, "x"), part(key, "y"))
            : Result<crypto::PublicKey>(bad_request("a key of an unknown kind"));
    if (made) keys.emplace(key["kid"].as_string(), *made);
  }
  if (keys.empty()) return bad_request("the key set has no key that can be used");
  return keys;
}

}  // namespace orch::apiserver
