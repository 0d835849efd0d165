#include <catch2/catch_test_macros.hpp>

#include "base/clock.h"
#include "base/files.h"
#include "base/result.h"
#include "base/strings.h"
#include "base/time_spans.h"
#include "base/unix_time.h"

namespace orch {
namespace {

Result<int> half(int n) {
  if (n % 2 != 0) return bad_request("odd");
  return n / 2;
}

Result<int> quarter(int n) {
  const int h = ORCH_TRY(half(n));
  return ORCH_TRY(half(h));
}

TEST_CASE("ORCH_TRY gives the value or returns the Status") {
  CHECK(*quarter(8) == 2);
  CHECK(quarter(6).status().message == "odd");
}

TEST_CASE("Status messages are those that kubectl's users know") {
  CHECK(not_found({"", "pods", "web"}).message == "pods \"web\" not found");
  CHECK(already_exists({"apps", "deployments", "web"}).message ==
        "deployments.apps \"web\" already exists");
  CHECK(invalid("apps", "Deployment", "web", {{"FieldValueRequired", "Required value", "spec"}})
            .message == "Deployment.apps \"web\" is invalid: spec: Required value");
}

TEST_CASE("times go to text and back") {
  WallTime t;
  REQUIRE(parse_time("2026-02-28T23:59:58.000123456+01:00", &t));
  CHECK(format_nano_time(t) == "2026-02-28T22:59:58.000123456Z");
  CHECK(format_micro_time(t) == "2026-02-28T22:59:58.000123Z");
  CHECK(format_time(t) == "2026-02-28T22:59:58Z");
  for (const char* bad : {"", "2026-02-30T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z",
                          "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx"})
    CHECK_FALSE(parse_time(bad, &t));
}

TEST_CASE("a time beyond what nanoseconds in 64 bits can count keeps its year") {
  for (const char* text :
       {"9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2424-01-01T00:00:00Z"}) {
    UnixTime time;
    REQUIRE(parse_unix_time(text, &time));
    CHECK(format_time(time) == text);
  }
  WallTime t;
  REQUIRE(parse_time("9999-12-31T23:59:59Z", &t));
  CHECK(t == WallTime::max());
  REQUIRE(parse_time("0001-01-01T00:00:00Z", &t));
  CHECK(t == WallTime::min());
  CHECK_FALSE(parse_time("9999-12-31T23:59:59-01:00", &t));
}

TEST_CASE("sums and differences of times that clients wrote stop at the ends of what can be told") {
  using std::chrono::seconds;
  const WallTime now{seconds(1'700'000'000)};
  CHECK(later(now, seconds(5)) == now + seconds(5));
  CHECK(later(now, seconds(-5)) == now - seconds(5));
  CHECK(later(now, seconds(9'000'000'000)) == WallTime::max());
  CHECK(later(now, seconds::max()) == WallTime::max());
  CHECK(later(now, seconds::min()) == WallTime::min());
  CHECK(later(WallTime::max(), seconds(1)) == WallTime::max());
  CHECK(later(WallTime::min(), seconds(-1)) == WallTime::min());
  CHECK(time_between(now, now + seconds(5)) == seconds(5));
  CHECK(time_between(now + seconds(5), now) == seconds(-5));
  CHECK(time_between(WallTime::min(), now) == std::chrono::nanoseconds::max());
  CHECK(time_between(now, WallTime::min()) == std::chrono::nanoseconds::min());
}

TEST_CASE("base64 is strict both ways") {
  for (const char* text : {"", "a", "ab", "abc", "abcd"}) {
    CHECK(base64_decode(base64_encode(text)) == text);
    CHECK(base64url_decode(base64url_encode(text)) == text);
  }
  CHECK_FALSE(base64_decode("YQ"));    // Padding missing.
  CHECK_FALSE(base64_decode("YR=="));  // Stray bits.
  CHECK_FALSE(base64_decode("Y\n=="));
}

TEST_CASE("percent decoding refuses what is malformed") {
  CHECK(percent_decode("a%2Fb") == "a/b");
  CHECK(percent_decode("a+b", true) == "a b");
  CHECK_FALSE(percent_decode("%2"));
  CHECK_FALSE(percent_decode("%zz"));
}

TEST_CASE("UTF-8 is checked whole") {
  CHECK(valid_utf8("gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80"));
  CHECK_FALSE(valid_utf8("\xc0\xaf"));          // Overlong.
  CHECK_FALSE(valid_utf8("\xed\xa0\x80"));      // Surrogate.
  CHECK_FALSE(valid_utf8("\xf4\x90\x80\x80"));  // Past the last code point.
  CHECK_FALSE(valid_utf8("\xe2\x82"));          // Cut short.
}

TEST_CASE("nearest finds the likely word and nothing absurd") {
  CHECK(nearest("data-dri", {"data-dir", "node-name"}) == "data-dir");
  CHECK(nearest("zzzzzz", {"data-dir", "node-name"}).empty());
}

TEST_CASE("files are replaced whole and trees removed without following links") {
  char name[] = "/tmp/orch-base-test.XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  const std::string root = name;
  REQUIRE(make_dirs(root + "/a/b"));
  REQUIRE(write_file_atomic(root + "/a/b/f", "one"));
  REQUIRE(write_file_atomic(root + "/a/b/f", "two"));
  CHECK(*read_file(root + "/a/b/f") == "two");
  CHECK_FALSE(read_file(root + "/a/b/f", 2));
  CHECK(read_file(root + "/missing").status().not_found());
  REQUIRE(::symlink("/etc", (root + "/a/link").c_str()) == 0);
  REQUIRE(remove_tree(root));
  CHECK_FALSE(file_exists(root));
  CHECK(file_exists("/etc"));
}

}  // namespace
}  // namespace orch
