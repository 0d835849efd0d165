#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace orch::crypto {

struct Sha256::Context {
  EVP_MD_CTX* md = EVP_MD_CTX_new();
  ~Context() { EVP_MD_CTX_free(md); }
};

Sha256::Sha256() : context_(std::make_unique<Context>()) {
  ORCH_CHECK(context_->md && EVP_DigestInit_ex(context_->md, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::string_view bytes) {
  ORCH_CHECK(EVP_DigestUpdate(context_->md, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish_bytes() {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  ORCH_CHECK(EVP_DigestFinal_ex(context_->md, digest, &size) == 1);
  return {reinterpret_cast<char*>(digest), size};
}

std::string Sha256::finish_hex() { return hex_encode(finish_bytes()); }

std::string sha256_bytes(std::string_view bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.finish_bytes();
}

std::string sha256_hex(std::string_view bytes) { return hex_encode(sha256_bytes(bytes)); }

bool equal_secrets(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace orch::crypto
