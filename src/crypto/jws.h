// jws: keys of others, as their key sets show them (JWK, RFC 7517), and signatures made with them
// (JWS, RFC 7515, 7518). The algorithm is the verifier's list's to allow, and must be one of the
// key's kind: a token never chooses how it is checked. Thread-safe; no state.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::crypto {

// RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or ES512.
bool is_signing_algorithm(std::string_view name);

class PublicKey {
 public:
  // The big-endian numbers of a JWK, base64url-decoded. At least 2048 bits.
  static Result<PublicKey> rsa(std::string_view modulus, std::string_view exponent);
  // `curve` is P-256, P-384 or P-521.
  static Result<PublicKey> ec(std::string_view curve, std::string_view x, std::string_view y);

  // False also for an algorithm that isn't one of this key's kind.
  bool verifies(std::string_view algorithm, std::string_view text,
                std::string_view signature) const;

 private:
  struct Key;
  explicit PublicKey(std::shared_ptr<const Key> key) : key_(std::move(key)) {}
  std::shared_ptr<const Key> key_;
};

}  // namespace orch::crypto
