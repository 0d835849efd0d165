#include "cli/join_token.h"

#include <catch2/catch_test_macros.hpp>

using namespace orch;
using namespace orch::cli;

TEST_CASE("a token is read as it was written") {
  const JoinToken token{std::string(64, 'a'), "s3cret"};
  const std::string text = render_join_token(token);
  CHECK(text == "K10" + std::string(64, 'a') + "::s3cret");
  const auto read = parse_join_token(" " + text + "\n");
  REQUIRE(read.ok());
  CHECK(read->ca_sha256 == token.ca_sha256);
  CHECK(read->secret == token.secret);
}

TEST_CASE("a secret of ours is 32 bytes in hex, and another each time") {
  const std::string one = new_secret(system_random());
  CHECK(one.size() == 64);
  CHECK(parse_join_token(one)->secret == one);
  CHECK(new_secret(system_random()) != one);
}

TEST_CASE("a token without a hash is a bare secret") {
  for (const char* text : {"s3cret", "K10", "a::b", "K10abc"}) {
    CAPTURE(text);
    const auto read = parse_join_token(text);
    REQUIRE(read.ok());
    CHECK(read->ca_sha256.empty());
    CHECK(read->secret == text);
  }
}

TEST_CASE("a damaged token is refused") {
  const std::string whole = "K10" + std::string(64, 'a') + "::";
  for (const std::string& text :
       {std::string(), std::string(" \n"), whole, whole + "a b", whole + "a\nb",
        std::string("K10abc::secret"), "K10" + std::string(64, 'g') + "::secret"}) {
    CAPTURE(text);
    CHECK(parse_join_token(text).status().code == 400);
  }
}
