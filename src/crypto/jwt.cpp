#include "crypto/jwt.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>

#include <algorithm>

#include "base/strings.h"
#include "crypto/digest.h"
#include "crypto/openssl.h"

namespace orch::crypto {

namespace {

constexpr int coordinate_bytes = 32;  // Of P-256; a signature is two such numbers.

// ES256 names one curve; a key of another must not slip in.
Result<void> check_p256(EVP_PKEY* key) {
  char group[32] = "";
  if (EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) != 1 ||
      std::string_view(group) != SN_X9_62_prime256v1)
    return bad_request("a token key must be ECDSA P-256");
  return {};
}

Result<std::string> id_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size < 0) return openssl_error("encode public key");
  const std::string_view bytes(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  std::string id = base64url_encode(sha256_bytes(bytes));
  OPENSSL_free(der);
  return id;
}

// The header as it stands in a token, encoded.
Result<std::string> encoded_header(EVP_PKEY* key) {
  const std::string id = ORCH_TRY(id_of(key));
  return base64url_encode(R"({"alg":"ES256","kid":")" + id + R"("})");
}

// DER, as OpenSSL signs, to the two plain numbers of RFC 7518, 3.4; and back.
Result<std::string> plain_signature(const unsigned char* der, size_t size) {
  const Owned<ECDSA_SIG> parsed(d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(size)));
  unsigned char plain[2 * coordinate_bytes];
  if (!parsed || BN_bn2binpad(ECDSA_SIG_get0_r(parsed.get()), plain, coordinate_bytes) < 0 ||
      BN_bn2binpad(ECDSA_SIG_get0_s(parsed.get()), plain + coordinate_bytes, coordinate_bytes) < 0)
    return openssl_error("signature");
  return std::string(reinterpret_cast<char*>(plain), sizeof plain);
}

std::string der_signature(std::string_view plain) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(plain.data());
  const Owned<ECDSA_SIG> made(ECDSA_SIG_new());
  ORCH_CHECK(made != nullptr);
  ECDSA_SIG_set0(made.get(), BN_bin2bn(bytes, coordinate_bytes, nullptr),
                 BN_bin2bn(bytes + coordinate_bytes, coordinate_bytes, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(made.get(), &der);
  ORCH_CHECK(size > 0);
  std::string text(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return text;
}

bool signed_by(EVP_PKEY* key, std::string_view text, std::string_view plain) {
  const std::string der = der_signature(plain);
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  ORCH_CHECK(context && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key));
  const int verified = EVP_DigestVerify(
      context.get(), reinterpret_cast<const unsigned char*>(der.data()), der.size(),
      reinterpret_cast<const unsigned char*>(text.data()), text.size());
  ERR_clear_error();
  return verified == 1;
}

Result<std::string> coordinate(EVP_PKEY* key, const char* which) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, which, &number) != 1) return openssl_error("public key");
  const Owned<BIGNUM> owned(number);
  unsigned char bytes[coordinate_bytes];
  if (BN_bn2binpad(number, bytes, coordinate_bytes) < 0) return openssl_error("public key");
  return base64url_encode({reinterpret_cast<char*>(bytes), sizeof bytes});
}

}  // namespace

struct TokenSigner::Key {
  Owned<EVP_PKEY> key;
  std::string header;
};

struct TokenVerifier::Key {
  Owned<EVP_PKEY> key;
  std::string header;
};

Result<TokenSigner> TokenSigner::create(const std::string& private_key) {
  Owned<EVP_PKEY> key = ORCH_TRY(parse_private_key(private_key));
  ORCH_TRY(check_p256(key.get()));
  std::string header = ORCH_TRY(encoded_header(key.get()));
  return TokenSigner(std::make_shared<const Key>(Key{std::move(key), std::move(header)}));
}

Result<std::string> TokenSigner::sign(std::string_view claims_json) const {
  std::string token = key_->header + "." + base64url_encode(claims_json);
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  ORCH_CHECK(context != nullptr);
  unsigned char der[128];  // A P-256 signature in DER has at most 72 bytes.
  size_t size = sizeof der;
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_->key.get()) != 1 ||
      EVP_DigestSign(context.get(), der, &size,
                     reinterpret_cast<const unsigned char*>(token.data()), token.size()) != 1)
    return openssl_error("sign token");
  token += "." + base64url_encode(ORCH_TRY(plain_signature(der, size)));
  if (token.size() > max_token_bytes) return bad_request("the token would be too long");
  return token;
}

Result<TokenVerifier> TokenVerifier::create(const std::vector<std::string>& public_keys) {
  TokenVerifier verifier;
  for (const std::string& pem : public_keys) {
    Owned<EVP_PKEY> key = ORCH_TRY(parse_public_key(pem));
    ORCH_TRY(check_p256(key.get()));
    std::string header = ORCH_TRY(encoded_header(key.get()));
    verifier.keys_.push_back(std::make_shared<const Key>(Key{std::move(key), std::move(header)}));
  }
  return verifier;
}

Result<std::string> TokenVerifier::verify(std::string_view token) const {
  if (token.size() > max_token_bytes) return unauthorized("the token is too long");
  const std::vector<std::string_view> parts = split(token, '.');
  if (parts.size() != 3) return unauthorized("the token is malformed");
  const auto known = std::find_if(keys_.begin(), keys_.end(),
                                  [&](const auto& key) { return key->header == parts[0]; });
  if (known == keys_.end()) return unauthorized("the token was not signed by a known key");
  const auto signature = base64url_decode(parts[2]);
  const auto claims = base64url_decode(parts[1]);
  if (!claims || !signature || signature->size() != 2 * coordinate_bytes)
    return unauthorized("the token is malformed");
  const std::string_view covered = token.substr(0, parts[0].size() + 1 + parts[1].size());
  if (!signed_by((*known)->key.get(), covered, *signature))
    return unauthorized("the token's signature is wrong");
  return *claims;
}

Result<std::string> key_id(const std::string& public_key) {
  const Owned<EVP_PKEY> key = ORCH_TRY(parse_public_key(public_key));
  return id_of(key.get());
}

Result<std::string> public_jwk(const std::string& public_key) {
  const Owned<EVP_PKEY> key = ORCH_TRY(parse_public_key(public_key));
  ORCH_TRY(check_p256(key.get()));
  const std::string id = ORCH_TRY(id_of(key.get()));
  const std::string x = ORCH_TRY(coordinate(key.get(), OSSL_PKEY_PARAM_EC_PUB_X));
  const std::string y = ORCH_TRY(coordinate(key.get(), OSSL_PKEY_PARAM_EC_PUB_Y));
  return R"({"use":"sig","kty":"EC","kid":")" + id + R"(","crv":"P-256","alg":"ES256","x":")" + x +
         R"(","y":")" + y + R"("})";
}

}  // namespace orch::crypto
