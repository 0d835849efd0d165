// Signatures of others' keys: the example of RFC 7515, A.3 (ES256), and what must not pass.
#include "crypto/jws.h"

#include <catch2/catch_test_macros.hpp>

#include "base/strings.h"

namespace orch::crypto {
namespace {

std::string bytes(const char* text) { return base64url_decode(text).value(); }

TEST_CASE("an ES256 signature holds for its text and its algorithm only", "[jws]") {
  const auto key = PublicKey::ec("P-256", bytes("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                                 bytes("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"));
  REQUIRE(key.ok());
  const std::string text =
      "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl"
      "LmNvbS9pc19yb290Ijp0cnVlfQ";
  std::string signature = bytes(
      "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
  CHECK(key->verifies("ES256", text, signature));
  CHECK_FALSE(key->verifies("ES384", text, signature));
  CHECK_FALSE(key->verifies("RS256", text, signature));
  CHECK_FALSE(key->verifies("none", text, signature));
  CHECK_FALSE(key->verifies("HS256", text, signature));
  CHECK_FALSE(key->verifies("ES256", text + "x", signature));
  CHECK_FALSE(key->verifies("ES256", text, signature.substr(1)));
  CHECK_FALSE(key->verifies("ES256", text, ""));
  signature[5] = static_cast<char>(signature[5] ^ 1);
  CHECK_FALSE(key->verifies("ES256", text, signature));
}

TEST_CASE("keys that are none, or too weak, are refused", "[jws]") {
  CHECK_FALSE(PublicKey::ec("P-256", std::string(32, 'x'), std::string(32, 'y')).ok());
  CHECK_FALSE(PublicKey::ec("P-256", "short", "short").ok());
  CHECK_FALSE(PublicKey::ec("secp256k1", std::string(32, 'x'), std::string(32, 'y')).ok());
  CHECK_FALSE(PublicKey::rsa(std::string(128, '\xff'), std::string("\x01\x00\x01", 3)).ok());
  CHECK_FALSE(PublicKey::rsa(std::string(4096, '\xff'), std::string("\x01\x00\x01", 3)).ok());
  CHECK_FALSE(PublicKey::rsa("", "").ok());
}

}  // namespace
}  // namespace orch::crypto
