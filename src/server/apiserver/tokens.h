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
inline constexpr int64_t kMinTokenSeconds = 600;
inline constexpr int64_t kMaxTokenSeconds = int64_t{1} << 32;
// A pod's own token asks for so long and is renewed by its agent, yet it really lives for a year:
// clients that read their token once go on working (kube-apiserver's "token extension").
inline constexpr int64_t kRenewedTokenSeconds = 3607;
inline constexpr int64_t kExtendedTokenSeconds = 365 * 24 * 3600;

class Tokens {
 public:
  Tokens(crypto::TokenSigner signer, crypto::TokenVerifier verifier, const store::Store& store,
         Clock& clock, Random& random)
      : signer_(std::move(signer)),
        verifier_(std::move(verifier)),
        store_(store),
        clock_(clock),
        random_(random) {}

  // Answers POST serviceaccounts/<name>/token: the TokenRequest with its status.
  Result<api::Value> issue(const WriteRequest& request) const;

  // Whose token it is. 401 when it is malformed, forged, too old, not for `audiences` (none: this
  // server), or when what it is bound to is gone.
  Result<User> verify(std::string_view token, const std::vector<std::string>& audiences) const;

 private:
  Result<api::Value> bound_claims(const WriteRequest& request) const;
  Result<void> check_claims(const api::Value& claims,
                            const std::vector<std::string>& audiences) const;
  // The object of that name stands, with that uid.
  bool stands(const api::Resource& resource, std::string_view ns, const api::Value& claim) const;

  const crypto::TokenSigner signer_;
  const crypto::TokenVerifier verifier_;
  const store::Store& store_;
  Clock& clock_;
  Random& random_;
};

}  // namespace orch::apiserver
