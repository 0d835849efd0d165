#include "crypto/pki.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/pem.h>

#include <array>
#include <ctime>

#include "crypto/digest.h"
#include "crypto/openssl.h"

namespace orch::crypto {

namespace {

constexpr int serial_bits = 127;  // Positive and within RFC 5280's 20 octets.
constexpr std::chrono::hours year{24 * 365};
constexpr long version_3 = 2;  // As X.509 counts.

Owned<EVP_PKEY> new_key() { return Owned<EVP_PKEY>(EVP_EC_gen("P-256")); }

Result<std::string> private_pem(EVP_PKEY* key) {
  const Owned<BIO> bio = write_bio();
  if (PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return openssl_error("write private key");
  return take_text(bio.get());
}

Result<std::string> certificate_pem(X509* certificate) {
  const Owned<BIO> bio = write_bio();
  if (PEM_write_bio_X509(bio.get(), certificate) != 1) return openssl_error("write certificate");
  return take_text(bio.get());
}

bool add_entry(X509_NAME* name, int kind, const std::string& text) {
  return X509_NAME_add_entry_by_NID(name, kind, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()), -1, 0) == 1;
}

Result<void> set_subject(X509_NAME* name, const CertificateSpec& spec) {
  for (const std::string& organization : spec.organizations)
    if (!add_entry(name, NID_organizationName, organization))
      return openssl_error("organization \"" + organization + "\"");
  if (!spec.common_name.empty() && !add_entry(name, NID_commonName, spec.common_name))
    return openssl_error("common name \"" + spec.common_name + "\"");
  return {};
}

Result<void> push_name(GENERAL_NAMES* names, int kind, ASN1_STRING* value) {
  Owned<GENERAL_NAME> name(GENERAL_NAME_new());
  ORCH_CHECK(name != nullptr);
  GENERAL_NAME_set0_value(name.get(), kind, value);
  if (sk_GENERAL_NAME_push(names, name.get()) == 0) return openssl_error("alternative name");
  name.release();
  return {};
}

// Null when there are no names.
Result<Owned<GENERAL_NAMES>> alternative_names(const CertificateSpec& spec) {
  if (spec.dns_names.empty() && spec.ip_addresses.empty()) return Owned<GENERAL_NAMES>();
  Owned<GENERAL_NAMES> names(GENERAL_NAMES_new());
  ORCH_CHECK(names != nullptr);
  for (const std::string& dns : spec.dns_names) {
    ASN1_IA5STRING* value = ASN1_IA5STRING_new();
    ORCH_CHECK(value && ASN1_STRING_set(value, dns.data(), static_cast<int>(dns.size())) == 1);
    ORCH_TRY(push_name(names.get(), GEN_DNS, value));
  }
  for (const std::string& ip : spec.ip_addresses) {
    ASN1_OCTET_STRING* value = a2i_IPADDRESS(ip.c_str());
    if (value == nullptr) return bad_request("\"" + ip + "\" is not an IP address");
    ORCH_TRY(push_name(names.get(), GEN_IPADD, value));
  }
  return names;
}

Result<void> add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  if (!extension || X509_add_ext(certificate, extension.get(), -1) != 1)
    return openssl_error(std::string("extension ") + OBJ_nid2sn(kind));
  return {};
}

Result<void> set_serial(X509* certificate) {
  const Owned<BIGNUM> number(BN_new());
  if (!number || BN_rand(number.get(), serial_bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) != 1 ||
      BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) == nullptr)
    return openssl_error("serial number");
  return {};
}

std::time_t seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

// Everything of a certificate but subject and extensions. `until` is measured from now.
Result<Owned<X509>> begin_certificate(EVP_PKEY* key, const Clock& clock,
                                      std::chrono::seconds backdate, std::chrono::seconds until) {
  Owned<X509> certificate(X509_new());
  ORCH_CHECK(certificate != nullptr);
  ORCH_TRY(set_serial(certificate.get()));
  const WallTime now = clock.now();
  if (X509_set_version(certificate.get(), version_3) != 1 ||
      !ASN1_TIME_set(X509_getm_notBefore(certificate.get()), seconds(now - backdate)) ||
      !ASN1_TIME_set(X509_getm_notAfter(certificate.get()), seconds(now + until)) ||
      X509_set_pubkey(certificate.get(), key) != 1)
    return openssl_error("certificate");
  return certificate;
}

Result<std::string> certify(const Identity& ca, EVP_PKEY* key, const CertificateSpec& spec,
                            const Clock& clock) {
  const Owned<X509> issuer = ORCH_TRY(parse_certificate(ca.certificate));
  if (X509_check_ca(issuer.get()) != 1) return bad_request("the signing certificate is no CA");
  const Owned<EVP_PKEY> issuer_key = ORCH_TRY(parse_private_key(ca.private_key));
  const Owned<X509> made = ORCH_TRY(begin_certificate(key, clock, spec.backdate, spec.validity));
  ORCH_TRY(set_subject(X509_get_subject_name(made.get()), spec));
  X509_set_issuer_name(made.get(), X509_get_subject_name(issuer.get()));
  const Owned<GENERAL_NAMES> names = ORCH_TRY(alternative_names(spec));
  if (names && X509_add1_ext_i2d(made.get(), NID_subject_alt_name, names.get(), 0, 0) != 1)
    return openssl_error("alternative names");
  const auto extend = [&](int kind, const char* value) {
    return add_extension(made.get(), issuer.get(), kind, value);
  };
  ORCH_TRY(extend(NID_basic_constraints, "critical,CA:FALSE"));
  ORCH_TRY(extend(NID_key_usage, spec.key_encipherment ? "critical,digitalSignature,keyEncipherment"
                                                       : "critical,digitalSignature"));
  if (spec.server_auth && spec.client_auth)
    ORCH_TRY(extend(NID_ext_key_usage, "serverAuth,clientAuth"));
  else if (spec.server_auth || spec.client_auth)
    ORCH_TRY(extend(NID_ext_key_usage, spec.server_auth ? "serverAuth" : "clientAuth"));
  ORCH_TRY(extend(NID_authority_key_identifier, "keyid"));
  if (X509_sign(made.get(), issuer_key.get(), EVP_sha256()) == 0)
    return openssl_error("sign certificate");
  return certificate_pem(made.get());
}

std::string entry_text(const X509_NAME_ENTRY* entry) {
  unsigned char* utf8 = nullptr;
  const int size = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));
  if (size < 0) return {};
  std::string text(reinterpret_cast<char*>(utf8), static_cast<size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

template <class Info>
void read_subject(const X509_NAME* name, Info* info) {
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    const int kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (kind == NID_commonName) info->common_name = entry_text(entry);
    if (kind == NID_organizationName) info->organizations.push_back(entry_text(entry));
  }
}

template <class Info>
void read_names(const GENERAL_NAMES* names, Info* info) {
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    int kind = 0;
    const auto* value = static_cast<const ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind));
    if (kind == GEN_DNS) {
      info->dns_names.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                                   static_cast<size_t>(ASN1_STRING_length(value)));
    } else if (kind == GEN_IPADD) {
      const int family = ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6;
      if (family == AF_INET6 && ASN1_STRING_length(value) != 16) continue;
      std::array<char, INET6_ADDRSTRLEN> text{};
      ::inet_ntop(family, ASN1_STRING_get0_data(value), text.data(), text.size());
      info->ip_addresses.emplace_back(text.data());
    }
  }
}

WallTime wall_time(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return WallTime{std::chrono::seconds{::timegm(&parts)}};
}

// The request, checked to be signed by the key that it carries.
Result<Owned<X509_REQ>> parse_csr(const std::string& pem) {
  const Owned<BIO> bio = read_bio(pem);
  Owned<X509_REQ> request(PEM_read_bio_X509_REQ(bio.get(), nullptr, nullptr, nullptr));
  if (!request) return bad_request(openssl_error("not a PEM certificate request").message);
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || X509_REQ_verify(request.get(), key) != 1)
    return bad_request(openssl_error("the request's signature is not its key's").message);
  return request;
}

}  // namespace

Result<KeyPair> generate_key() {
  const Owned<EVP_PKEY> key = new_key();
  if (!key) return openssl_error("generate key");
  KeyPair pair;
  pair.private_key = ORCH_TRY(private_pem(key.get()));
  const Owned<BIO> bio = write_bio();
  if (PEM_write_bio_PUBKEY(bio.get(), key.get()) != 1) return openssl_error("write public key");
  pair.public_key = take_text(bio.get());
  return pair;
}

Result<std::string> public_key_of(const std::string& private_key) {
  const Owned<EVP_PKEY> key = ORCH_TRY(parse_private_key(private_key));
  const Owned<BIO> bio = write_bio();
  if (PEM_write_bio_PUBKEY(bio.get(), key.get()) != 1) return openssl_error("write public key");
  return take_text(bio.get());
}

Result<Identity> make_ca(const std::string& common_name, int years, const Clock& clock) {
  const Owned<EVP_PKEY> key = new_key();
  if (!key) return openssl_error("generate key");
  CertificateSpec spec;
  spec.common_name = common_name;
  const Owned<X509> made =
      ORCH_TRY(begin_certificate(key.get(), clock, spec.backdate, years * year));
  ORCH_TRY(set_subject(X509_get_subject_name(made.get()), spec));
  X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
  const auto extend = [&](int kind, const char* value) {
    return add_extension(made.get(), made.get(), kind, value);
  };
  ORCH_TRY(extend(NID_basic_constraints, "critical,CA:TRUE,pathlen:0"));
  ORCH_TRY(extend(NID_key_usage, "critical,digitalSignature,keyCertSign,cRLSign"));
  ORCH_TRY(extend(NID_subject_key_identifier, "hash"));
  if (X509_sign(made.get(), key.get(), EVP_sha256()) == 0) return openssl_error("sign CA");
  Identity identity;
  identity.certificate = ORCH_TRY(certificate_pem(made.get()));
  identity.private_key = ORCH_TRY(private_pem(key.get()));
  return identity;
}

Result<Identity> issue_certificate(const Identity& ca, const CertificateSpec& spec,
                                   const Clock& clock) {
  const Owned<EVP_PKEY> key = new_key();
  if (!key) return openssl_error("generate key");
  Identity identity;
  identity.certificate = ORCH_TRY(certify(ca, key.get(), spec, clock));
  identity.private_key = ORCH_TRY(private_pem(key.get()));
  return identity;
}

Result<std::string> make_csr(const CertificateSpec& spec, const std::string& private_key) {
  const Owned<EVP_PKEY> key = ORCH_TRY(parse_private_key(private_key));
  const Owned<X509_REQ> request(X509_REQ_new());
  ORCH_CHECK(request != nullptr);
  ORCH_TRY(set_subject(X509_REQ_get_subject_name(request.get()), spec));
  if (X509_REQ_set_pubkey(request.get(), key.get()) != 1) return openssl_error("request");
  const Owned<GENERAL_NAMES> names = ORCH_TRY(alternative_names(spec));
  if (names) {
    STACK_OF(X509_EXTENSION)* list = nullptr;
    const bool added =
        X509V3_add1_i2d(&list, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1 &&
        X509_REQ_add_extensions(request.get(), list) == 1;
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    if (!added) return openssl_error("alternative names");
  }
  if (X509_REQ_sign(request.get(), key.get(), EVP_sha256()) == 0)
    return openssl_error("sign request");
  const Owned<BIO> bio = write_bio();
  if (PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) return openssl_error("write request");
  return take_text(bio.get());
}

Result<CsrInfo> csr_info(const std::string& csr) {
  const Owned<X509_REQ> request = ORCH_TRY(parse_csr(csr));
  CsrInfo info;
  read_subject(X509_REQ_get_subject_name(request.get()), &info);
  STACK_OF(X509_EXTENSION)* list = X509_REQ_get_extensions(request.get());
  const Owned<GENERAL_NAMES> names(
      static_cast<GENERAL_NAMES*>(X509V3_get_d2i(list, NID_subject_alt_name, nullptr, nullptr)));
  sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
  if (names) read_names(names.get(), &info);
  const auto known = info.dns_names.size() + info.ip_addresses.size();
  info.other_names = names && static_cast<size_t>(sk_GENERAL_NAME_num(names.get())) != known;
  return info;
}

Result<std::string> sign_csr(const Identity& ca, const std::string& csr,
                             const CertificateSpec& spec, const Clock& clock) {
  const Owned<X509_REQ> request = ORCH_TRY(parse_csr(csr));
  return certify(ca, X509_REQ_get0_pubkey(request.get()), spec, clock);
}

Result<CertificateInfo> certificate_info(const std::string& pem) {
  const Owned<X509> certificate = ORCH_TRY(parse_certificate(pem));
  CertificateInfo info;
  read_subject(X509_get_subject_name(certificate.get()), &info);
  const Owned<GENERAL_NAMES> names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  if (names) read_names(names.get(), &info);
  info.not_before = wall_time(X509_get0_notBefore(certificate.get()));
  info.not_after = wall_time(X509_get0_notAfter(certificate.get()));
  info.is_ca = X509_check_ca(certificate.get()) == 1;
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  if (size < 0) return openssl_error("encode certificate");
  info.sha256 = sha256_hex({reinterpret_cast<char*>(der), static_cast<size_t>(size)});
  OPENSSL_free(der);
  return info;
}

bool key_matches(const std::string& certificate, const std::string& private_key) {
  const Result<Owned<X509>> parsed = parse_certificate(certificate);
  const Result<Owned<EVP_PKEY>> key = parse_private_key(private_key);
  return parsed.ok() && key.ok() && EVP_PKEY_eq(X509_get0_pubkey(parsed->get()), key->get()) == 1;
}

}  // namespace orch::crypto
