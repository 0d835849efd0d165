#include "http/tls.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstring>

#include "base/strings.h"

namespace orch::http {

namespace {

struct OpensslFree {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
template <class T>
using Owned = std::unique_ptr<T, OpensslFree>;

// Certificates of one PEM text; more than these is no chain but an attack or a mistake.
constexpr int max_certificates = 1024;

Owned<BIO> pem_reader(const std::string& pem) {
  return Owned<BIO>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Status tls_error(std::string_view what) {
  return internal_error(std::string(what) + ": " + take_ssl_errors());
}

// Keys never ask a terminal for a password.
int no_password(char*, int, int, void*) { return -1; }

Result<void> use_certificate(SSL_CTX* context, const std::string& chain, const std::string& key) {
  const Owned<BIO> chain_bio = pem_reader(chain);
  const Owned<X509> leaf(PEM_read_bio_X509(chain_bio.get(), nullptr, no_password, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1)
    return tls_error("certificate is not usable");
  for (int i = 0; i < max_certificates; ++i) {
    Owned<X509> next(PEM_read_bio_X509(chain_bio.get(), nullptr, no_password, nullptr));
    if (!next) break;
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return tls_error("certificate chain");
  }
  ERR_clear_error();
  const Owned<BIO> key_bio = pem_reader(key);
  const Owned<EVP_PKEY> pkey(PEM_read_bio_PrivateKey(key_bio.get(), nullptr, no_password, nullptr));
  if (!pkey || SSL_CTX_use_PrivateKey(context, pkey.get()) != 1)
    return tls_error("private key is not usable with its certificate");
  return {};
}

Result<void> trust(SSL_CTX* context, const std::string& pem, bool tell_clients) {
  const Owned<BIO> bio = pem_reader(pem);
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  int count = 0;
  for (; count < max_certificates; ++count) {
    const Owned<X509> ca(PEM_read_bio_X509(bio.get(), nullptr, no_password, nullptr));
    if (!ca) break;
    if (X509_STORE_add_cert(store, ca.get()) != 1) return tls_error("CA certificate");
    if (tell_clients) SSL_CTX_add_client_CA(context, ca.get());
  }
  ERR_clear_error();
  if (count == 0) return bad_request("CA bundle holds no certificate");
  return {};
}

Result<SslContext> make_context(const SSL_METHOD* method) {
  Owned<SSL_CTX> context(SSL_CTX_new(method));
  if (!context) return tls_error("TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                         SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Release buffers: an idle connection gives its 32 KB back. Read ahead: one recv a record.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context.get(), 1);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  return SslContext(context.release(), OpensslFree{});
}

constexpr unsigned char alpn_http11[] = "\x08http/1.1";
constexpr unsigned alpn_http11_size = sizeof alpn_http11 - 1;

// Picks http/1.1 when the client offers it. Otherwise goes on without ALPN, as HTTP/1.1 clients
// that offer something else exist (kubectl offers h2 and http/1.1).
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, alpn_http11, alpn_http11_size, offered,
                            offered_size) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::string entry_text(const X509_NAME_ENTRY* entry) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
  if (size < 0) return {};
  std::string text(reinterpret_cast<char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

bool is_address(const std::string& host) {
  in6_addr buffer;
  return ::inet_pton(AF_INET, host.c_str(), &buffer) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), &buffer) == 1;
}

// Verifies the peer's chain against that one of its own certificates which has the fingerprint
// (`pin`, a std::string), and must be a CA's; names and times are checked as ever.
int verify_pinned(X509_STORE_CTX* verification, void* pin) {
  const auto& wanted = *static_cast<const std::string*>(pin);
  STACK_OF(X509)* presented = X509_STORE_CTX_get0_untrusted(verification);
  for (int i = 0; i < sk_X509_num(presented); ++i) {
    X509* certificate = sk_X509_value(presented, i);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(certificate, EVP_sha256(), digest, &size) != 1) continue;
    if (hex_encode({reinterpret_cast<const char*>(digest), size}) != wanted) continue;
    if (X509_check_ca(certificate) == 0) continue;
    STACK_OF(X509)* trusted = sk_X509_new_null();
    ORCH_CHECK(trusted != nullptr && sk_X509_push(trusted, certificate) > 0);
    X509_STORE_CTX_set0_trusted_stack(verification, trusted);
    const int verdict = X509_verify_cert(verification);
    sk_X509_free(trusted);  // The certificate in it is the peer's chain's.
    return verdict;
  }
  X509_STORE_CTX_set_error(verification, X509_V_ERR_CERT_UNTRUSTED);
  return 0;
}

// The context owns the pin, which its callback reads.
SslContext trust_pinned(SslContext context, const std::string& sha256) {
  struct Pinned {
    SslContext context;
    std::string sha256;
  };
  const auto pinned = std::make_shared<Pinned>(Pinned{std::move(context), to_lower(sha256)});
  SSL_CTX* const raw = pinned->context.get();
  SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(raw, verify_pinned, &pinned->sha256);
  return SslContext(pinned, raw);
}

}  // namespace

Result<SslContext> make_server_context(const TlsServerConfig& config) {
  SslContext context = ORCH_TRY(make_context(TLS_server_method()));
  ORCH_TRY(use_certificate(context.get(), config.certificate_chain, config.private_key));
  SSL_CTX_set_alpn_select_cb(context.get(), choose_protocol, nullptr);
  // TLS 1.3's ciphers by their cost; a client that begins its list with ChaCha20 has a processor
  // without AES, and gets it.
  if (SSL_CTX_set_ciphersuites(context.get(),
                               "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
                               "TLS_CHACHA20_POLY1305_SHA256") != 1)
    return tls_error("ciphers");
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_num_tickets(context.get(), 1);
  // A ticket carries the client's verified identity; it is valid for this context's keys only.
  static constexpr unsigned char session_context[] = "orch";
  SSL_CTX_set_session_id_context(context.get(), session_context, sizeof session_context - 1);
  if (!config.client_ca.empty()) {
    ORCH_TRY(trust(context.get(), config.client_ca, true));
    // Who comes with a certificate that is not good comes in as nobody, and is told so by the
    // answer to his request: peer_identity() looks at the verdict.
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER,
                       [](int, X509_STORE_CTX*) -> int { return 1; });
  }
  return context;
}

Result<SslContext> make_client_context(const ClientOptions& options) {
  SslContext context = ORCH_TRY(make_context(TLS_client_method()));
  if (!options.certificate.empty())
    ORCH_TRY(use_certificate(context.get(), options.certificate, options.private_key));
  if (options.insecure_skip_verify) return context;
  if (!options.ca_sha256.empty()) return trust_pinned(std::move(context), options.ca_sha256);
  if (options.ca.empty()) {
    if (SSL_CTX_set_default_verify_paths(context.get()) != 1) return tls_error("system's roots");
  } else {
    ORCH_TRY(trust(context.get(), options.ca, false));
  }
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  return context;
}

UniqueSsl make_server_ssl(const SslContext& context) {
  UniqueSsl ssl(SSL_new(context.get()));
  ORCH_CHECK(ssl != nullptr);
  SSL_set_accept_state(ssl.get());
  return ssl;
}

UniqueSsl make_client_ssl(const SslContext& context, const std::string& host, bool verify) {
  UniqueSsl ssl(SSL_new(context.get()));
  ORCH_CHECK(ssl != nullptr);
  SSL_set_connect_state(ssl.get());
  SSL_set_alpn_protos(ssl.get(), alpn_http11, alpn_http11_size);
  const bool address = is_address(host);
  if (!address) SSL_set_tlsext_host_name(ssl.get(), host.c_str());
  if (!verify) return ssl;
  if (address)
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl.get()), host.c_str());
  else
    SSL_set1_host(ssl.get(), host.c_str());
  return ssl;
}

Peer peer_identity(SSL* ssl) {
  Peer peer;
  const X509* certificate = SSL_get0_peer_certificate(ssl);
  // Without a client CA no verification ran, and a certificate proves nothing.
  if (certificate == nullptr || (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) == 0) return peer;
  peer.has_certificate = SSL_get_verify_result(ssl) == X509_V_OK;
  peer.bad_certificate = !peer.has_certificate;
  if (peer.bad_certificate) return peer;
  const X509_NAME* subject = X509_get_subject_name(certificate);
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const int kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (kind == NID_commonName) peer.common_name = entry_text(entry);
    if (kind == NID_organizationName) peer.organizations.push_back(entry_text(entry));
  }
  return peer;
}

}  // namespace orch::http
