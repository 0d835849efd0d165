// tokens: service accounts' bearer tokens: signed JWTs (ES256, RFC 7519) that are bound to the
// account and, where asked, to a pod or a secret; with what they are bound to they end.
// Follows: KEP-1205 (TokenRequest). Thread-safe; reads the store only.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/json.h"
#include "base/clock.h"
#include "base/result.h"
#include "crypto/jwt.h"
#include "server/apiserver/user.h"
#include "server/apiserver/write.h"
#include "store/store.h"

namespace orch::apiserver {

inline constexpr std::string_view kTokenIssuer = "https://kubernetes.default.svc.cluster.local";
// Of tokens that stand in Secrets of type kubernetes.io/service-account-token.
inline constexpr std::string_view kLegacyIssuer = "kubernetes/serviceaccount";
inline constexpr int64_t kMinTokenSeconds = 600;
inline constexpr int64_t kMaxTokenSeconds = int64_t{1} << 32;
// A pod's own token asks for so long and is renewed by its agent, yet it really lives for a year:
// clients that read their token once go on working (kube-apiserver's "token extension").
inline constexpr int64_t kRenewedTokenSeconds = 3607;
inline constexpr int64_t kExtendedTokenSeconds = 365 * 24 * 3600;

// Whom a token speaks for, and which of the audiences that were asked for it is meant for.
struct TokenUser {
  User user;
  std::vector<std::string> audiences;
};

// The --service-account-* and --api-audiences flags.
struct TokenNames {
  std::vector<std::string> issuers = {std::string(kTokenIssuer)};  // The first one signs.
  std::vector<std::string> audiences;  // What this server is called; none: as its issuers.
};

class Tokens {
 public:
  Tokens(crypto::TokenSigner signer, crypto::TokenVerifier verifier, TokenNames names,
         const store::Store& store, Clock& clock, Random& random);

  // Answers POST serviceaccounts/<name>/token: the TokenRequest with its status.
  Result<api::Value> issue(const WriteRequest& request) const;

  // Whose token it is. 401 when it is malformed, forged, too old, not for `audiences` (none: this
  // server), or when what it is bound to is gone.
  Result<TokenUser> verify(std::string_view token, const std::vector<std::string>& audiences) const;

  // Those of `wanted` (none: all) by which this server is known.
  std::vector<std::string> own_audiences(const std::vector<std::string>& wanted) const;
  const std::string& issuer() const { return names_.issuers.front(); }

 private:
  Result<TokenUser> verify_legacy(std::string_view token, const api::Value& claims,
                                  const std::vector<std::string>& audiences) const;
  Result<api::Value> bound_claims(const WriteRequest& request) const;
  Result<void> check_pod(const WriteRequest& request, const api::Value& pod,
                         api::Value* claims) const;
  Result<void> check_claims(const api::Value& claims) const;
  // The object of that name stands, with that uid, or should have gone but moments ago.
  bool stands(const api::Resource& resource, std::string_view ns, const api::Value& claim) const;

  const crypto::TokenSigner signer_;
  const crypto::TokenVerifier verifier_;
  TokenNames names_;
  const store::Store& store_;
  Clock& clock_;
  Random& random_;
};

}  // namespace orch::apiserver
