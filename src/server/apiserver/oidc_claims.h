// oidc_claims: what a token of an external issuer says, and whom it makes of its bearer. PURE.
// Follows: OpenID Connect Core 1.0 (ID Token), Kubernetes' "OpenID Connect Tokens" (the flags).
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/jws.h"
#include "server/apiserver/user.h"

namespace orch::apiserver {

// The --oidc-* flags.
struct OidcOptions {
  std::string issuer_url;  // "" = no external issuer.
  std::string client_id;
  std::string ca;  // PEM; "" = the system's roots.
  std::string username_claim = "sub";
  std::string username_prefix;  // "-" = none; "" = none for "email", else "<issuer>#".
  std::string groups_claim, groups_prefix;
  std::vector<std::string> required_claims;  // "key=value"
  std::vector<std::string> signing_algorithms = {"RS256"};
};

// 400 for options that make no sense together.
Result<void> check_oidc_options(const OidcOptions& options);

// A token taken apart, its signature not looked at yet.
struct UnverifiedToken {
  std::string algorithm, key_id;
  api::Value claims;
  std::string_view covered;  // What the signature covers; a view into the token.
  std::string signature;
};
Result<UnverifiedToken> parse_token(std::string_view token);

// Whom the claims of a verified token make. 401 with the reason when they are not for us or not
// for now. Names that begin with "system:" are the cluster's own and never an issuer's to give.
Result<User> user_of_claims(const OidcOptions& options, const api::Value& claims, WallTime now);

// The keys of a JSON Web Key Set by their ids; those that can't be used are left out.
using IssuerKeys = std::multimap<std::string, crypto::PublicKey>;
Result<IssuerKeys> parse_key_set(std::string_view json);

}  // namespace orch::apiserver
