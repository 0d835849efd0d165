#include "crypto/openssl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

namespace orch::crypto {

namespace {

constexpr size_t max_pem_bytes = 1 << 20;

// Keys never ask a terminal for a password.
int no_password(char*, int, int, void*) { return -1; }

template <class T, class Read>
Result<Owned<T>> parse_pem(const std::string& pem, Read read, std::string_view what) {
  if (pem.size() > max_pem_bytes) return bad_request(std::string(what) + " is too long");
  const Owned<BIO> bio = read_bio(pem);
  Owned<T> parsed(read(bio.get(), nullptr, no_password, nullptr));
  if (!parsed) return bad_request(openssl_error("not a PEM " + std::string(what)).message);
  ERR_clear_error();
  return parsed;
}

}  // namespace

Status openssl_error(std::string_view what) {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    text += (text.empty() ? "" : "; ") + std::string(reason ? reason : "unknown reason");
  }
  return internal_error(std::string(what) + (text.empty() ? "" : ": " + text));
}

Owned<BIO> read_bio(const std::string& text) {
  Owned<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  ORCH_CHECK(bio != nullptr);
  return bio;
}

Owned<BIO> write_bio() {
  Owned<BIO> bio(BIO_new(BIO_s_mem()));
  ORCH_CHECK(bio != nullptr);
  return bio;
}

std::string take_text(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  return {text, static_cast<size_t>(size)};
}

Result<Owned<EVP_PKEY>> parse_private_key(const std::string& pem) {
  return parse_pem<EVP_PKEY>(pem, PEM_read_bio_PrivateKey, "private key");
}

Result<Owned<EVP_PKEY>> parse_public_key(const std::string& pem) {
  return parse_pem<EVP_PKEY>(pem, PEM_read_bio_PUBKEY, "public key");
}

Result<Owned<X509>> parse_certificate(const std::string& pem) {
  return parse_pem<X509>(pem, PEM_read_bio_X509, "certificate");
}

}  // namespace orch::crypto
