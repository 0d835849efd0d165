// Tokens: what was signed verifies, and nothing else does.
#include "crypto/jwt.h"

#include <catch2/catch_test_macros.hpp>

#include "base/strings.h"
#include "crypto/pki.h"

using namespace orch;
using namespace orch::crypto;

namespace {

constexpr std::string_view claims = R"({"iss":"https://kubernetes.default.svc","sub":"x"})";

struct Keys {
  KeyPair pair = generate_key().value();
  TokenSigner signer = TokenSigner::create(pair.private_key).value();
  TokenVerifier verifier = TokenVerifier::create({pair.public_key}).value();
};

}  // namespace

TEST_CASE("a signed token verifies to its claims") {
  const Keys keys;
  const std::string token = keys.signer.sign(claims).value();
  CHECK(keys.verifier.verify(token).value() == claims);
}

TEST_CASE("several keys verify while they are exchanged") {
  const Keys old_keys, new_keys;
  const auto both =
      TokenVerifier::create({old_keys.pair.public_key, new_keys.pair.public_key}).value();
  CHECK(both.verify(old_keys.signer.sign(claims).value()).ok());
  CHECK(both.verify(new_keys.signer.sign(claims).value()).ok());
  CHECK_FALSE(new_keys.verifier.verify(old_keys.signer.sign(claims).value()).ok());
}

TEST_CASE("no changed token verifies") {
  const Keys keys;
  const std::string token = keys.signer.sign(claims).value();
  for (size_t i = 0; i < token.size(); i += 3) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    INFO(i);
    const auto verified = keys.verifier.verify(changed);
    CHECK_FALSE(verified.ok());
    if (!verified.ok()) CHECK(verified.status().code == 401);
  }
  for (size_t length = 0; length < token.size(); length += 5)
    CHECK_FALSE(keys.verifier.verify(token.substr(0, length)).ok());
}

TEST_CASE("the sender chooses neither algorithm nor key") {
  const Keys keys;
  const std::string token = keys.signer.sign(claims).value();
  const std::string rest = token.substr(token.find('.'));
  const std::string id = key_id(keys.pair.public_key).value();
  for (const std::string& header : {
           std::string(R"({"alg":"none"})"),
           std::string(R"({"alg":"HS256","kid":")") + id + R"("})",
           std::string(R"({"alg":"ES256"})"),
           std::string(R"({"alg":"ES256","kid":")") + id + R"(","jku":"https://evil"})",
       })
    CHECK_FALSE(keys.verifier.verify(base64url_encode(header) + rest).ok());
  CHECK_FALSE(keys.verifier.verify(std::string(max_token_bytes + 1, 'a')).ok());
  CHECK_FALSE(keys.verifier.verify("..").ok());
  CHECK_FALSE(keys.verifier.verify(token + ".").ok());
}

TEST_CASE("the key set names the key as the token does") {
  const Keys keys;
  const std::string jwk = public_jwk(keys.pair.public_key).value();
  CHECK(jwk.find("\"kid\":\"" + key_id(keys.pair.public_key).value() + "\"") != jwk.npos);
  CHECK(jwk.find("\"crv\":\"P-256\"") != jwk.npos);
}

TEST_CASE("only P-256 keys sign and verify") {
  CHECK_FALSE(TokenSigner::create("not a key").ok());
  CHECK_FALSE(TokenVerifier::create({"not a key"}).ok());
  // An ECDSA P-384 key.
  const std::string p384 =
      "-----BEGIN PUBLIC KEY-----\n"
      "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEdRCbYlXTGy8giLBTgmFsCAPRcJsdv5xS\n"
      "fBa+TbklMeHgG2PJDXsJgQNzHIVfmXMa/4o3n96146RwVVZQqvkY0Zh2tKG59DU7\n"
      "5Ez0a50/EJdhQk4n8K2Qw+9lWdXgZ8qI\n"
      "-----END PUBLIC KEY-----\n";
  CHECK_FALSE(TokenVerifier::create({p384}).ok());
}
