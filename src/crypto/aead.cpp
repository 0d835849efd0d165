#include "crypto/aead.h"

#include "base/check.h"
#include "crypto/openssl.h"

namespace orch::crypto {

namespace {

const unsigned char* octets(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
unsigned char* octets(char* text) { return reinterpret_cast<unsigned char*>(text); }

}  // namespace

std::string aead_seal(std::string_view key, std::string_view nonce, std::string_view plain,
                      std::string_view bound_to) {
  ORCH_CHECK(key.size() == kAeadKeyBytes && nonce.size() == kAeadNonceBytes);
  std::string sealed(nonce);
  sealed.resize(kAeadNonceBytes + plain.size() + kAeadTagBytes);
  unsigned char* const body = octets(sealed.data()) + kAeadNonceBytes;
  unsigned char* const tag = body + plain.size();
  const Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  int size = 0;
  ORCH_CHECK(context && EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, octets(key),
                                           octets(nonce)) == 1);
  ORCH_CHECK(EVP_EncryptUpdate(context.get(), nullptr, &size, octets(bound_to),
                               static_cast<int>(bound_to.size())) == 1);
  ORCH_CHECK(EVP_EncryptUpdate(context.get(), body, &size, octets(plain),
                               static_cast<int>(plain.size())) == 1);
  ORCH_CHECK(EVP_EncryptFinal_ex(context.get(), tag, &size) == 1);
  ORCH_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes, tag) == 1);
  return sealed;
}

std::optional<std::string> aead_open(std::string_view key, std::string_view sealed,
                                     std::string_view bound_to) {
  ORCH_CHECK(key.size() == kAeadKeyBytes);
  if (sealed.size() < kAeadNonceBytes + kAeadTagBytes) return std::nullopt;
  const std::string_view nonce = sealed.substr(0, kAeadNonceBytes);
  const std::string_view body =
      sealed.substr(kAeadNonceBytes, sealed.size() - kAeadNonceBytes - kAeadTagBytes);
  std::string tag(sealed.substr(sealed.size() - kAeadTagBytes));
  std::string plain(body.size(), '\0');
  const Owned<EVP_CIPHER_CTX> context(EVP_CIPHER_CTX_new());
  int size = 0;
  ORCH_CHECK(context && EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, octets(key),
                                           octets(nonce)) == 1);
  ORCH_CHECK(EVP_DecryptUpdate(context.get(), nullptr, &size, octets(bound_to),
                               static_cast<int>(bound_to.size())) == 1);
  ORCH_CHECK(EVP_DecryptUpdate(context.get(), octets(plain.data()), &size, octets(body),
                               static_cast<int>(body.size())) == 1);
  ORCH_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, tag.data()) ==
             1);
  if (EVP_DecryptFinal_ex(context.get(), nullptr, &size) != 1) return std::nullopt;
  return plain;
}

}  // namespace orch::crypto
