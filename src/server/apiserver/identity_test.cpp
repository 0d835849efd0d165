// Whom tokens make of their bearers: an issuer's claims, the file of tokens, bootstrap tokens.
#include <catch2/catch_test_macros.hpp>

#include "base/strings.h"
#include "http/forwarder.h"
#include "http/websocket.h"
#include "server/apiserver/authenticate.h"
#include "server/apiserver/bootstrap_tokens.h"
#include "server/apiserver/oidc_claims.h"
#include "server/apiserver/static_tokens.h"

namespace orch::apiserver {
namespace {

const WallTime kNow{std::chrono::seconds(1'000'000)};

api::Value json(std::string_view text) {
  auto value = api::parse_json(text);
  REQUIRE(value.ok());
  return *std::move(value);
}

OidcOptions issuer() {
  OidcOptions options;
  options.issuer_url = "https://issuer";
  options.client_id = "me";
  options.groups_claim = "groups";
  return options;
}

TEST_CASE("an issuer's claims make a user", "[identity]") {
  OidcOptions options = issuer();
  const std::string good = R"({"iss":"https://issuer","aud":["x","me"],"exp":1000001,"sub":"jane",
                               "groups":["a","b"],"email":"j@x","hd":"x"})";
  const auto user = user_of_claims(options, json(good), kNow);
  REQUIRE(user.ok());
  CHECK(user->name == "https://issuer#jane");
  CHECK(user->groups == std::vector<std::string>{"a", "b", "system:authenticated"});
  options.username_prefix = "-";
  options.groups_prefix = "oidc:";
  CHECK(user_of_claims(options, json(good), kNow)->name == "jane");
  CHECK(user_of_claims(options, json(good), kNow)->groups.front() == "oidc:a");
  options.username_claim = "email";
  options.username_prefix = "";
  CHECK(user_of_claims(options, json(good), kNow)->name == "j@x");
  options.required_claims = {"hd=x"};
  CHECK(user_of_claims(options, json(good), kNow).ok());
  options.required_claims = {"hd=y"};
  CHECK_FALSE(user_of_claims(options, json(good), kNow).ok());
}

TEST_CASE("claims that are not for us, not for now or too much are refused", "[identity]") {
  const api::Value good = json(R"({"iss":"https://issuer","aud":"me","exp":1000001,"sub":"jane"})");
  const auto passes = [&](const char* claim, api::Value value) {
    api::Value claims = good;
    claims.set(claim, std::move(value));
    return user_of_claims(issuer(), claims, kNow).ok();
  };
  CHECK(passes("nbf", 1'000'000));
  CHECK(passes("groups", "one"));
  CHECK_FALSE(passes("iss", "https://issuer/"));
  CHECK_FALSE(passes("aud", "you"));
  CHECK_FALSE(passes("aud", nullptr));
  CHECK_FALSE(passes("exp", 1'000'000));
  CHECK_FALSE(passes("exp", nullptr));
  CHECK_FALSE(passes("exp", "1000001"));
  CHECK_FALSE(passes("nbf", 1'000'100));
  CHECK_FALSE(passes("nbf", "0"));
  CHECK_FALSE(passes("sub", ""));
  CHECK_FALSE(passes("sub", 1));
  CHECK_FALSE(passes("groups", api::Value::array({"system:masters"})));
  CHECK_FALSE(passes("groups", api::Value::array({1})));
  OidcOptions plain = issuer();
  plain.username_prefix = "-";
  api::Value node = good;
  node.set("sub", "system:node:a");
  CHECK_FALSE(user_of_claims(plain, node, kNow).ok());
  OidcOptions email = issuer();
  email.username_claim = "email";
  api::Value unverified = good;
  unverified.set("email", "j@x");
  CHECK(user_of_claims(email, unverified, kNow).ok());
  unverified.set("email_verified", false);
  CHECK_FALSE(user_of_claims(email, unverified, kNow).ok());
}

TEST_CASE("flags for an issuer that make no sense are refused", "[identity]") {
  OidcOptions options = issuer();
  CHECK(check_oidc_options(options).ok());
  CHECK(check_oidc_options({}).ok());
  options.issuer_url = "http://issuer";
  CHECK_FALSE(check_oidc_options(options).ok());
  options = issuer();
  options.client_id = "";
  CHECK_FALSE(check_oidc_options(options).ok());
  options = issuer();
  options.signing_algorithms = {"none"};
  CHECK_FALSE(check_oidc_options(options).ok());
  options = issuer();
  options.required_claims = {"hd"};
  CHECK_FALSE(check_oidc_options(options).ok());
}

TEST_CASE("a token is taken apart, or refused", "[identity]") {
  const auto parsed = parse_token(base64url_encode(R"({"alg":"RS256","kid":"k"})") + "." +
                                  base64url_encode(R"({"iss":"i"})") + ".AAAA");
  REQUIRE(parsed.ok());
  CHECK(parsed->algorithm == "RS256");
  CHECK(parsed->claims["iss"].as_string() == "i");
  for (const char* bad : {"", ".", "..", "a.b", "a.b.c.d", "e30.e30", "e30.W10.AA", "e30.!.AA"}) {
    INFO(bad);
    CHECK_FALSE(parse_token(bad).ok());
  }
  CHECK_FALSE(parse_token(base64url_encode(R"({"alg":"RS256","crit":["x"]})") + ".e30.AA").ok());
  CHECK_FALSE(parse_token(std::string(20'000, 'a')).ok());
  CHECK_FALSE(parse_key_set("{}").ok());
  CHECK_FALSE(parse_key_set(R"({"keys":[{"kty":"oct","k":"AAAA"}]})").ok());
}

TEST_CASE("a file of tokens", "[identity]") {
  const auto tokens =
      StaticTokens::parse("t1,joe,1\n\nt2,\"a \"\"b\"\"\",2,\"x,y\"\r\nt3,z,3,one\n");
  REQUIRE(tokens.ok());
  CHECK(tokens->find("t1")->name == "joe");
  CHECK(tokens->find("t1")->uid == "1");
  CHECK(tokens->find("t1")->groups == std::vector<std::string>{"system:authenticated"});
  CHECK(tokens->find("t2")->name == "a \"b\"");
  CHECK(tokens->find("t2")->groups == std::vector<std::string>{"x", "y", "system:authenticated"});
  CHECK_FALSE(tokens->find("t").has_value());
  CHECK_FALSE(tokens->find("").has_value());
  for (const char* bad : {"t", "t,joe", ",joe,1", "t,,1", "t,joe,1,\"x", "t,a,1\nt,b,2"}) {
    INFO(bad);
    CHECK_FALSE(StaticTokens::parse(bad).ok());
  }
}

TEST_CASE("bootstrap tokens", "[identity]") {
  CHECK(is_bootstrap_token("abcdef.0123456789abcdef"));
  CHECK_FALSE(is_bootstrap_token("abcdef.0123456789abcde"));
  CHECK_FALSE(is_bootstrap_token("abcdeF.0123456789abcdef"));
  CHECK_FALSE(is_bootstrap_token("abcdef00123456789abcdef"));
  const auto secret = [](std::initializer_list<std::pair<const char*, const char*>> more) {
    api::Value object = json(R"({"type":"bootstrap.kubernetes.io/token","data":{}})");
    const auto put = [&](const char* key, const char* text) {
      object["data"].set(key, base64_encode(text));
    };
    put("token-id", "abcdef");
    put("token-secret", "0123456789abcdef");
    put("usage-bootstrap-authentication", "true");
    for (const auto& [key, text] : more) put(key, text);
    return object;
  };
  const auto passes = [&](const api::Value& object) {
    return user_of_bootstrap(object, "abcdef.0123456789abcdef", kNow).ok();
  };
  const auto user = user_of_bootstrap(secret({{"auth-extra-groups", "system:bootstrappers:a"}}),
                                      "abcdef.0123456789abcdef", kNow);
  REQUIRE(user.ok());
  CHECK(user->name == "system:bootstrap:abcdef");
  CHECK(user->in_group("system:bootstrappers"));
  CHECK(user->in_group("system:bootstrappers:a"));
  CHECK(passes(secret({{"expiration", "1970-01-12T13:46:41Z"}})));
  CHECK_FALSE(passes(secret({{"expiration", "1970-01-12T13:46:40Z"}})));
  CHECK_FALSE(passes(secret({{"expiration", "tomorrow"}})));
  CHECK_FALSE(passes(secret({{"token-secret", "0123456789abcdeX"}})));
  CHECK_FALSE(passes(secret({{"token-id", "ghijkl"}})));
  CHECK_FALSE(passes(secret({{"usage-bootstrap-authentication", "false"}})));
  CHECK_FALSE(passes(secret({{"auth-extra-groups", "system:masters"}})));
  CHECK_FALSE(passes(secret({{"auth-extra-groups", "system:bootstrappers:"}})));
  api::Value other = secret({});
  other.set("type", "Opaque");
  CHECK_FALSE(passes(other));
}

TEST_CASE("a browser shows its token as a subprotocol of its WebSocket", "[identity]") {
  http::Request request;
  const auto token = [&](const std::string& protocols) {
    request.headers.set("Sec-WebSocket-Protocol", protocols);
    const auto found = websocket_token(request);
    return found ? *found : "refused: " + std::to_string(found.status().code);
  };
  const std::string bearer = std::string(http::kBearerProtocol) + base64url_encode("a-token");
  CHECK(token(bearer + ", v4.channel.k8s.io").empty());  // It is no WebSocket.
  request.headers.set("Connection", "Upgrade");
  request.headers.set("Upgrade", "websocket");
  request.headers.set("Sec-WebSocket-Version", "13");
  request.headers.set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  CHECK(token(bearer + ", v4.channel.k8s.io") == "a-token");
  CHECK(token("v4.channel.k8s.io," + bearer) == "a-token");
  CHECK(token("v4.channel.k8s.io").empty());
  CHECK(token(bearer) == "refused: 401");
  CHECK(token(bearer + "," + bearer + ",x") == "refused: 401");
  CHECK(token(std::string(http::kBearerProtocol) + "%%%, x") == "refused: 401");
  CHECK(token(std::string(http::kBearerProtocol) + base64url_encode("\xff") + ", x") ==
        "refused: 401");

  // Nobody behind this server gets to see it.
  request.headers.set("Sec-WebSocket-Protocol", bearer + ", v4.channel.k8s.io");
  CHECK(http::onward_request(request, "/").headers.get("Sec-WebSocket-Protocol") ==
        "v4.channel.k8s.io");
  request.headers.set("Sec-WebSocket-Protocol", std::string(http::kBearerProtocol));
  CHECK_FALSE(http::onward_request(request, "/").headers.has("Sec-WebSocket-Protocol"));
}

}  // namespace
}  // namespace orch::apiserver
