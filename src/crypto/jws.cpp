#include "crypto/jws.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <array>

#include "base/check.h"
#include "crypto/openssl.h"

namespace orch::crypto {
namespace {

constexpr int kMinRsaBits = 2048;
constexpr size_t kMaxNumberBytes = 2048;  // A modulus of 16384 bits.

struct Curve {
  std::string_view name, algorithm;
  const char* group;
  size_t bytes;  // Of a coordinate.
};
constexpr std::array<Curve, 3> kCurves = {{{"P-256", "ES256", "P-256", 32},
                                           {"P-384", "ES384", "P-384", 48},
                                           {"P-521", "ES512", "P-521", 66}}};

const EVP_MD* digest_of(std::string_view algorithm) {
  const std::string_view size = algorithm.substr(2);
  return size == "256" ? EVP_sha256() : size == "384" ? EVP_sha384() : EVP_sha512();
}

struct FreeParameters {
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* parameters) const { OSSL_PARAM_free(parameters); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
template <class T>
using Parameters = std::unique_ptr<T, FreeParameters>;

Owned<BIGNUM> number(std::string_view bytes) {
  return Owned<BIGNUM>(BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                                 static_cast<int>(bytes.size()), nullptr));
}

Result<Owned<EVP_PKEY>> build(const char* type, OSSL_PARAM_BLD* builder) {
  const Parameters<OSSL_PARAM> parameters(OSSL_PARAM_BLD_to_param(builder));
  const Parameters<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return bad_request(openssl_error("public key").message);
  }
  return Owned<EVP_PKEY>(key);
}

// The two plain numbers of RFC 7518, 3.4, as OpenSSL wants them.
std::string der_of(std::string_view plain) {
  const size_t half = plain.size() / 2;
  const Owned<ECDSA_SIG> made(ECDSA_SIG_new());
  ORCH_CHECK(made != nullptr);
  ECDSA_SIG_set0(made.get(), number(plain.substr(0, half)).release(),
                 number(plain.substr(half)).release());
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(made.get(), &der);
  ORCH_CHECK(size > 0);
  std::string text(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return text;
}

}  // namespace

struct PublicKey::Key {
  Owned<EVP_PKEY> key;
  const Curve* curve = nullptr;  // Null: RSA.
};

bool is_signing_algorithm(std::string_view name) {
  for (const std::string_view kind : {"RS", "PS", "ES"}) {
    for (const std::string_view size : {"256", "384", "512"}) {
      if (name.size() == 5 && name.starts_with(kind) && name.ends_with(size)) return true;
    }
  }
  return false;
}

Result<PublicKey> PublicKey::rsa(std::string_view modulus, std::string_view exponent) {
  if (modulus.size() > kMaxNumberBytes || exponent.size() > kMaxNumberBytes) {
    return bad_request("the RSA key is too large");
  }
  const Owned<BIGNUM> n = number(modulus), e = number(exponent);
  const Parameters<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (!n || !e || !builder || BN_num_bits(n.get()) < kMinRsaBits ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return bad_request("no RSA key of at least 2048 bits");
  }
  auto key = ORCH_TRY(build("RSA", builder.get()));
  return PublicKey(std::make_shared<const Key>(Key{std::move(key), nullptr}));
}

Result<PublicKey> PublicKey::ec(std::string_view name, std::string_view x, std::string_view y) {
  for (const Curve& curve : kCurves) {
    if (curve.name != name) continue;
    if (x.size() != curve.bytes || y.size() != curve.bytes) break;
    const std::string point = std::string("\x04").append(x).append(y);
    const Parameters<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    if (!builder ||
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, curve.group,
                                        0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1) {
      break;
    }
    auto key = ORCH_TRY(build("EC", builder.get()));
    return PublicKey(std::make_shared<const Key>(Key{std::move(key), &curve}));
  }
  return bad_request("no EC key of a known curve");
}

bool PublicKey::verifies(std::string_view algorithm, std::string_view text,
                         std::string_view signature) const {
  if (!is_signing_algorithm(algorithm)) return false;
  const Curve* curve = key_->curve;
  if (curve != nullptr && algorithm != curve->algorithm) return false;
  if (curve == nullptr && algorithm.front() == 'E') return false;
  if (curve != nullptr && signature.size() != 2 * curve->bytes) return false;
  const std::string der = curve != nullptr ? der_of(signature) : std::string(signature);
  const Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* details = nullptr;  // The context's own.
  ORCH_CHECK(context && EVP_DigestVerifyInit(context.get(), &details, digest_of(algorithm), nullptr,
                                             key_->key.get()) == 1);
  if (algorithm.starts_with("PS")) {
    ORCH_CHECK(EVP_PKEY_CTX_set_rsa_padding(details, RSA_PKCS1_PSS_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_pss_saltlen(details, RSA_PSS_SALTLEN_DIGEST) == 1);
  }
  const int verified = EVP_DigestVerify(
      context.get(), reinterpret_cast<const unsigned char*>(der.data()), der.size(),
      reinterpret_cast<const unsigned char*>(text.data()), text.size());
  ERR_clear_error();
  return verified == 1;
}

}  // namespace orch::crypto
