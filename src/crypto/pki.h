// pki: keys, certificate authorities, certificates and signing requests, as PEM texts. The whole of
// X.509 that a cluster needs: ECDSA P-256 keys, version 3 certificates (RFC 5280), PKCS #10
// requests (RFC 2986). No files: callers keep the texts. Thread-safe; no state.
//
// Certificates begin in the past (`backdate`): a board without a clock battery wakes up in
// yesterday and must still believe its server.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace orch::crypto {

struct KeyPair {
  std::string private_key;  // PKCS #8 PEM.
  std::string public_key;   // SubjectPublicKeyInfo PEM.
};

// A certificate with its private key.
struct Identity {
  std::string certificate;
  std::string private_key;
};

struct CertificateSpec {
  std::string common_name;
  std::vector<std::string> organizations;  // Kubernetes' groups.
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;  // IPv4 or IPv6 literals.
  bool server_auth = false;
  bool client_auth = false;
  bool key_encipherment = false;  // Beside signatures: for RSA keys.
  std::chrono::seconds validity = std::chrono::hours(24 * 365);
  std::chrono::seconds backdate = std::chrono::hours(24);
};

struct CertificateInfo {
  std::string common_name;
  std::vector<std::string> organizations, dns_names, ip_addresses;
  WallTime not_before{}, not_after{};
  std::string sha256;  // Of the DER bytes, hex.
  bool is_ca = false;
};

struct CsrInfo {
  std::string common_name;
  std::vector<std::string> organizations, dns_names, ip_addresses;
  bool other_names = false;  // It asks for alternative names of other kinds: e-mail, URI ...
};

Result<KeyPair> generate_key();
Result<std::string> public_key_of(const std::string& private_key);  // Both PEM.
// Self-signed, may sign leaves only (path length 0).
Result<Identity> make_ca(const std::string& common_name, int years, const Clock& clock);
// A fresh key and a certificate for it, signed by `ca`.
Result<Identity> issue_certificate(const Identity& ca, const CertificateSpec& spec,
                                   const Clock& clock);
// Asks for `spec`'s subject and names; usages and times are the signer's to choose.
Result<std::string> make_csr(const CertificateSpec& spec, const std::string& private_key);
// What a request asks for. 400 when it is malformed or not signed by its own key.
Result<CsrInfo> csr_info(const std::string& csr);
// Certifies the request's public key, which has signed it. The request's subject and names count
// for nothing: `spec` alone says what is certified.
Result<std::string> sign_csr(const Identity& ca, const std::string& csr,
                             const CertificateSpec& spec, const Clock& clock);
// Of the first certificate in `pem`.
Result<CertificateInfo> certificate_info(const std::string& pem);
// Whether the first certificate in `certificate` was made for this private key.
bool key_matches(const std::string& certificate, const std::string& private_key);

}  // namespace orch::crypto
