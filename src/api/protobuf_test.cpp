// Bytes as Go's generated code writes them, made by hand here from the wire format.
#include "api/protobuf.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::api {
namespace {

std::string varint(uint64_t n) {
  std::string out;
  for (; n >= 0x80; n >>= 7) out += static_cast<char>((n & 0x7f) | 0x80);
  return out + static_cast<char>(n);
}
std::string number(int field, uint64_t n) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(n);
}
std::string bytes(int field, const std::string& text) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(text.size()) + text;
}
std::string envelope(const std::string& version, const std::string& kind,
                     const std::string& message) {
  return std::string("k8s\0", 4) + bytes(1, bytes(1, version) + bytes(2, kind)) + bytes(2, message);
}

TEST_CASE("a typed client's object reads as its JSON would") {
  const Schema& schema = Schema::builtin();
  const std::string metadata =
      bytes(1, "x") + bytes(3, "") + bytes(8, "") + bytes(11, bytes(1, "k") + bytes(2, "v"));
  SECTION("strings, maps, bytes; zeros are unset") {
    const std::string secret = bytes(1, metadata) + bytes(2, bytes(1, "a") + bytes(2, "b"));
    const auto value = parse_protobuf(schema, envelope("v1", "Secret", secret));
    REQUIRE(value.ok());
    CHECK(*value == *parse_json(R"({"apiVersion":"v1","kind":"Secret","data":{"a":"Yg=="},
                                    "metadata":{"name":"x","labels":{"k":"v"}}})"));
  }
  SECTION("an embedded message's fields stand one level up") {
    const std::string volume = bytes(1, "t") + bytes(2, bytes(2, bytes(1, "Memory")));
    const std::string pod = bytes(2, bytes(1, volume));
    const auto value = parse_protobuf(schema, envelope("v1", "Pod", pod));
    REQUIRE(value.ok());
    CHECK((*value)["spec"]["volumes"][0].at("emptyDir.medium").as_string() == "Memory");
    CHECK((*value)["spec"]["volumes"][0]["name"].as_string() == "t");
  }
  SECTION("a pointer's zero is kept, kinds of subresources are known") {
    const auto options = parse_protobuf(
        schema, envelope("apps/v1", "DeleteOptions", number(1, 0) + bytes(4, "Orphan")));
    REQUIRE(options.ok());
    CHECK((*options)["gracePeriodSeconds"] == Value(0));
    CHECK((*options)["propagationPolicy"].as_string() == "Orphan");
    CHECK(parse_protobuf(schema, envelope("authentication.k8s.io/v1", "TokenRequest", "")).ok());
  }
}

TEST_CASE("what is no such message is refused") {
  const Schema& schema = Schema::builtin();
  CHECK_FALSE(parse_protobuf(schema, "").ok());
  CHECK_FALSE(parse_protobuf(schema, "{}").ok());
  CHECK_FALSE(parse_protobuf(schema, envelope("v1", "Nothing", "")).ok());
  CHECK_FALSE(parse_protobuf(schema, envelope("v1", "Pod", "\xff")).ok());
  CHECK_FALSE(parse_protobuf(schema, envelope("v1", "Pod", varint(10) + varint(99))).ok());
  CHECK_FALSE(parse_protobuf(schema, envelope("v1", "Pod", number(1, 1))).ok());
  // Every cut of a good message is refused or read, never overrun.
  const std::string good = envelope("v1", "Pod", bytes(1, bytes(1, "name")));
  for (size_t size = 0; size < good.size(); ++size) {
    static_cast<void>(parse_protobuf(schema, good.substr(0, size)));
  }
}

}  // namespace
}  // namespace orch::api
