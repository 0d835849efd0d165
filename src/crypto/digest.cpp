#include "crypto/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace orch::crypto {

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  ORCH_CHECK(context_ != nullptr);
  ORCH_CHECK(EVP_DigestInit_ex(context_, EVP_sha256(), nullptr) == 1);
}
Sha256::~Sha256() { EVP_MD_CTX_free(context_); }
Sha256::Sha256(Sha256&& other) noexcept : context_(std::exchange(other.context_, nullptr)) {}
Sha256& Sha256::operator=(Sha256&& other) noexcept {
  std::swap(context_, other.context_);
  return *this;
}

void Sha256::update(std::string_view bytes) {
  ORCH_CHECK(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
}

std::string Sha256::finish() {
  std::string out(32, '\0');
  unsigned size = 0;
  ORCH_CHECK(EVP_DigestFinal_ex(context_, reinterpret_cast<unsigned char*>(out.data()), &size) ==
             1);
  return out;
}
std::string Sha256::finish_hex() { return hex_encode(finish()); }

std::string sha256(std::string_view bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.finish();
}
std::string sha256_hex(std::string_view bytes) { return hex_encode(sha256(bytes)); }

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace orch::crypto
