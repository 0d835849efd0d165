// Certificates, keys and signing requests are texts that callers, files and other servers hand in:
// each is read or refused, and what was read of a request is what a certificate for it may say.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "base/strings.h"
#include "crypto/pki.h"

using namespace orch;
using namespace orch::crypto;

namespace {

std::string pem(const char* label, const std::string& der) {
  return std::string("-----BEGIN ") + label + "-----\n" + base64_encode(der) + "\n-----END " +
         label + "-----\n";
}

void check(const std::string& certificate, const std::string& request, const std::string& key) {
  static const Identity ca = make_ca("fuzz", 1, system_clock()).value();
  if (const auto info = certificate_info(certificate); info.ok()) {
    ORCH_CHECK(info->sha256.size() == 64);
    ORCH_CHECK(!key_matches(certificate, ca.private_key));
  }
  (void)public_key_of(key);
  const auto wish = csr_info(request);
  if (!wish.ok()) {
    ORCH_CHECK(wish.status().code == 400);
    return;
  }
  CertificateSpec spec;
  spec.common_name = "granted";
  const auto signed_ = sign_csr(ca, request, spec, system_clock());
  if (signed_.ok()) ORCH_CHECK(certificate_info(*signed_)->common_name == "granted");
}

}  // namespace

// As PEM, and as the DER inside.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  check(text, text, text);
  check(pem("CERTIFICATE", text), pem("CERTIFICATE REQUEST", text), pem("PRIVATE KEY", text));
  return 0;
}
