#include "crypto/aead.h"

#include <catch2/catch_test_macros.hpp>

#include "base/strings.h"

namespace orch::crypto {
namespace {

// Test case 16 of the GCM specification that NIST SP 800-38D refers to.
std::string octets_of(std::string_view hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  }
  return bytes;
}

TEST_CASE("AES-256-GCM agrees with the specification's test case 16") {
  const std::string key =
      octets_of("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
  const std::string nonce = octets_of("cafebabefacedbaddecaf888");
  const std::string plain = octets_of(
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
  const std::string bound_to = octets_of("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  const std::string sealed = aead_seal(key, nonce, plain, bound_to);
  CHECK(hex_encode(sealed) ==
        "cafebabefacedbaddecaf888"
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
        "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b");
  CHECK(aead_open(key, sealed, bound_to) == plain);
}

TEST_CASE("what was sealed opens with the same key and binding only, and unaltered only") {
  const std::string key(kAeadKeyBytes, 'k'), nonce(kAeadNonceBytes, 'n');
  const std::string sealed = aead_seal(key, nonce, "plain", "/secrets/a/b");
  CHECK(aead_open(key, sealed, "/secrets/a/b") == "plain");
  CHECK_FALSE(aead_open(key, sealed, "/secrets/a/c"));
  CHECK_FALSE(aead_open(std::string(kAeadKeyBytes, 'x'), sealed, "/secrets/a/b"));
  for (size_t i = 0; i < sealed.size(); ++i) {
    std::string altered = sealed;
    altered[i] = static_cast<char>(altered[i] ^ 1);
    CHECK_FALSE(aead_open(key, altered, "/secrets/a/b"));
    CHECK_FALSE(aead_open(key, std::string_view(sealed).substr(0, i), "/secrets/a/b"));
  }
  CHECK(aead_open(key, aead_seal(key, nonce, "", ""), "") == "");
}

}  // namespace
}  // namespace orch::crypto
