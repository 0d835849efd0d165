// Keys and certificates, read back by our own reader and verified by OpenSSL.
#include "crypto/pki.h"

#include <catch2/catch_test_macros.hpp>

#include "crypto/digest.h"
#include "crypto/openssl.h"

using namespace orch;
using namespace orch::crypto;

namespace {

bool verifies(const std::string& certificate, const std::string& ca, WallTime when) {
  const auto leaf = parse_certificate(certificate).value();
  const auto root = parse_certificate(ca).value();
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, root.get());
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, leaf.get(), nullptr);
  X509_VERIFY_PARAM_set_time(
      X509_STORE_CTX_get0_param(context),
      std::chrono::floor<std::chrono::seconds>(when).time_since_epoch().count());
  const bool ok = X509_verify_cert(context) == 1;
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return ok;
}

CertificateSpec node_spec() {
  CertificateSpec spec;
  spec.common_name = "system:node:a";
  spec.organizations = {"system:nodes", "other"};
  spec.dns_names = {"a", "a.example"};
  spec.ip_addresses = {"10.0.0.7", "fd00::7"};
  spec.server_auth = spec.client_auth = true;
  return spec;
}

}  // namespace

TEST_CASE("a certificate says what its spec says and chains to its CA") {
  const FakeClock clock;
  const Identity ca = make_ca("orch-ca", 10, clock).value();
  const Identity other = make_ca("orch-ca", 10, clock).value();
  const Identity made = issue_certificate(ca, node_spec(), clock).value();
  const CertificateInfo info = certificate_info(made.certificate).value();
  CHECK(info.common_name == "system:node:a");
  CHECK(info.organizations == std::vector<std::string>{"system:nodes", "other"});
  CHECK(info.dns_names == std::vector<std::string>{"a", "a.example"});
  CHECK(info.ip_addresses == std::vector<std::string>{"10.0.0.7", "fd00::7"});
  CHECK(info.not_before == clock.now() - std::chrono::hours(24));
  CHECK(info.not_after == clock.now() + std::chrono::hours(24 * 365));
  CHECK(info.sha256.size() == 64);
  CHECK_FALSE(info.is_ca);
  CHECK(certificate_info(ca.certificate)->is_ca);
  CHECK(verifies(made.certificate, ca.certificate, clock.now()));
  CHECK(verifies(made.certificate, ca.certificate, clock.now() - std::chrono::hours(23)));
  CHECK_FALSE(
      verifies(made.certificate, ca.certificate, clock.now() + std::chrono::hours(24 * 366)));
  CHECK_FALSE(verifies(made.certificate, other.certificate, clock.now()));
  CHECK(key_matches(made.certificate, made.private_key));
  CHECK_FALSE(key_matches(made.certificate, ca.private_key));
  CHECK_FALSE(key_matches("", ""));
}

TEST_CASE("a CA's leaf can't sign for it") {
  const FakeClock clock;
  const Identity ca = make_ca("orch-ca", 1, clock).value();
  const Identity leaf = issue_certificate(ca, node_spec(), clock).value();
  CHECK(issue_certificate(leaf, node_spec(), clock).status().code == 400);
}

TEST_CASE("a request's key is certified, its wishes are only read") {
  const FakeClock clock;
  const Identity ca = make_ca("orch-ca", 1, clock).value();
  const KeyPair key = generate_key().value();
  const std::string csr = make_csr(node_spec(), key.private_key).value();
  const CsrInfo wishes = csr_info(csr).value();
  CHECK(wishes.common_name == "system:node:a");
  CHECK(wishes.organizations == node_spec().organizations);
  CHECK(wishes.dns_names == node_spec().dns_names);
  CHECK(wishes.ip_addresses == node_spec().ip_addresses);

  CertificateSpec granted;
  granted.common_name = "system:node:b";
  granted.client_auth = true;
  const std::string certificate = sign_csr(ca, csr, granted, clock).value();
  const CertificateInfo info = certificate_info(certificate).value();
  CHECK(info.common_name == "system:node:b");
  CHECK(info.organizations.empty());
  CHECK(info.dns_names.empty());
  CHECK(key_matches(certificate, key.private_key));
}

TEST_CASE("broken requests and names are refused") {
  const FakeClock clock;
  const Identity ca = make_ca("orch-ca", 1, clock).value();
  std::string csr = make_csr(node_spec(), generate_key()->private_key).value();
  CHECK(csr_info("").status().code == 400);
  csr[csr.size() / 2] = csr[csr.size() / 2] == 'A' ? 'B' : 'A';
  CHECK(csr_info(csr).status().code == 400);
  CHECK_FALSE(sign_csr(ca, csr, {}, clock).ok());
  CertificateSpec spec = node_spec();
  spec.ip_addresses = {"10.0.0.256"};
  CHECK(issue_certificate(ca, spec, clock).status().code == 400);
}

TEST_CASE("names can't smuggle extensions in") {
  const FakeClock clock;
  const Identity ca = make_ca("orch-ca", 1, clock).value();
  CertificateSpec spec;
  spec.common_name = "x";
  spec.dns_names = {"a,IP:10.0.0.1,DNS:b"};
  const Identity made = issue_certificate(ca, spec, clock).value();
  CHECK(certificate_info(made.certificate)->dns_names == spec.dns_names);
  CHECK(certificate_info(made.certificate)->ip_addresses.empty());
}

TEST_CASE("SHA-256, at once and in pieces") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  Sha256 digest;
  digest.update("a");
  digest.update("bc");
  CHECK(digest.finish_hex() == sha256_hex("abc"));
}

TEST_CASE("secrets compare by content") {
  CHECK(equal_secrets("token", "token"));
  CHECK_FALSE(equal_secrets("token", "tokem"));
  CHECK_FALSE(equal_secrets("token", "toke"));
  CHECK(equal_secrets("", ""));
}
