// jwt: service account tokens, compact JWS with ES256 (RFC 7515, 7518, 7519).
//
// The verifier accepts only what the signer writes: its header is rendered from each known key and
// compared as text, so that no algorithm, key id or header of the sender's choice is ever acted
// upon. Claims are bytes here; what they mean is the API server's business. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace orch::crypto {

// A token longer than this is refused unread.
inline constexpr size_t max_token_bytes = 16 << 10;

class TokenSigner {
 public:
  // An ECDSA P-256 private key, PEM.
  static Result<TokenSigner> create(const std::string& private_key);
  // `claims_json` is signed as it stands.
  Result<std::string> sign(std::string_view claims_json) const;

 private:
  struct Key;
  explicit TokenSigner(std::shared_ptr<const Key> key) : key_(std::move(key)) {}
  std::shared_ptr<const Key> key_;
};

class TokenVerifier {
 public:
  // ECDSA P-256 public keys, PEM; several while keys are being exchanged.
  static Result<TokenVerifier> create(const std::vector<std::string>& public_keys);
  // The claims of a token that one of the keys signed, else 401. Times are not looked at.
  Result<std::string> verify(std::string_view token) const;

 private:
  struct Key;
  std::vector<std::shared_ptr<const Key>> keys_;
};

// base64url(SHA-256(SubjectPublicKeyInfo)): names a key in token headers and key sets.
Result<std::string> key_id(const std::string& public_key);
// The key as a JSON Web Key (RFC 7517), for /openid/v1/jwks.
Result<std::string> public_jwk(const std::string& public_key);

}  // namespace orch::crypto
