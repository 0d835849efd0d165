// Owners of OpenSSL's objects, and PEM in and out. Internal to this room.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace orch::crypto {

struct OpensslFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(X509_REQ* request) const { X509_REQ_free(request); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
  void operator()(GENERAL_NAME* name) const { GENERAL_NAME_free(name); }
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(ECDSA_SIG* signature) const { ECDSA_SIG_free(signature); }
  void operator()(X509_EXTENSIONS* list) const {
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
  }
};
template <class T>
using Owned = std::unique_ptr<T, OpensslFree>;

// "what: reason; reason", and OpenSSL's queue of errors is empty.
Status openssl_error(std::string_view what);

Owned<BIO> read_bio(const std::string& text);
Owned<BIO> write_bio();
std::string take_text(BIO* bio);

Result<Owned<EVP_PKEY>> parse_private_key(const std::string& pem);
Result<Owned<EVP_PKEY>> parse_public_key(const std::string& pem);
Result<Owned<X509>> parse_certificate(const std::string& pem);

}  // namespace orch::crypto
