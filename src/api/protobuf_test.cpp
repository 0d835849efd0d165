// Bytes as Go's generated code writes them, made by hand here from the wire format.
#include "api/protobuf.h"

#include <catch2/catch_test_macros.hpp>

#include "api/canonical.h"
#include "api/duration.h"

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
// Both ends of runtime.Unknown, as Go writes them.
std::string envelope(const std::string& version, const std::string& kind,
                     const std::string& message) {
  return std::string("k8s\0", 4) + bytes(1, bytes(1, version) + bytes(2, kind)) +
         bytes(2, message) + bytes(3, "") + bytes(4, "");
}
// ObjectMeta with a name and whatever stands at the numbers above 8.
std::string metadata(const std::string& name, const std::string& rest = "") {
  return bytes(1, name) + bytes(2, "") + bytes(3, "") + bytes(4, "") + bytes(5, "") + bytes(6, "") +
         number(7, 0) + bytes(8, "") + rest;
}
Value json(std::string_view text) { return parse_json(text).value(); }
Value canonical(std::string_view text) {
  Value value = json(text);
  const Type* type = Schema::builtin().find_document_type(value["apiVersion"].as_string(),
                                                          value["kind"].as_string());
  REQUIRE(type != nullptr);
  return canonicalize(*type, std::move(value));
}
std::string encoded(std::string_view text) {
  const Value value = canonical(text);
  return encode_protobuf(*Schema::builtin().find_document_type(value["apiVersion"].as_string(),
                                                               value["kind"].as_string()),
                         value);
}
Result<Value> decoded(std::string_view body) { return decode_protobuf(Schema::builtin(), body); }

TEST_CASE("a config map's bytes are Go's, both ways") {
  const char* text = R"({"kind":"ConfigMap","apiVersion":"v1",
      "metadata":{"name":"x","labels":{"k":"v"}},
      "immutable":false,"data":{"a":"b","c":""},"binaryData":{"z":"Yg==","e":""}})";
  const std::string golden =
      envelope("v1", "ConfigMap",
               bytes(1, metadata("x", bytes(11, bytes(1, "k") + bytes(2, "v")))) +
                   bytes(2, bytes(1, "a") + bytes(2, "b")) +
                   bytes(2, bytes(1, "c") + bytes(2, "")) + bytes(3, bytes(1, "e") + bytes(2, "")) +
                   bytes(3, bytes(1, "z") + bytes(2, "b")) + number(4, 0));
  CHECK(encoded(text) == golden);
  REQUIRE(decoded(golden).ok());
  CHECK(*decoded(golden) == json(text));
}

TEST_CASE("quantities, times, int-or-strings and free JSON are messages of their own") {
  SECTION("a container's resources are quantities") {
    const char* text = R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},"spec":{
        "containers":[{"name":"c","resources":{"limits":{"cpu":"100m","memory":"1Gi"}}}]}})";
    const std::string resources =
        bytes(8, bytes(1, bytes(1, "cpu") + bytes(2, bytes(1, "100m"))) +
                     bytes(1, bytes(1, "memory") + bytes(2, bytes(1, "1Gi"))));
    const std::string container = bytes(1, "c") + bytes(2, "") + bytes(5, "") + resources +
                                  bytes(13, "") + bytes(14, "") + number(16, 0) + number(17, 0) +
                                  number(18, 0) + bytes(20, "");
    CHECK(encoded(text).find(bytes(2, container)) != std::string::npos);
    const auto pod = decoded(envelope("v1", "Pod", bytes(2, bytes(2, container))));
    REQUIRE(pod.ok());
    CHECK((*pod)["spec"]["containers"][0]["resources"] ==
          json(R"({"limits":{"cpu":"100m","memory":"1Gi"}})"));
  }
  SECTION("a service's port is an int or a string") {
    const auto port = [](const std::string& target) {
      return bytes(1,
                   bytes(1, "") + bytes(2, "") + number(3, 80) + bytes(4, target) + number(5, 0));
    };
    const std::string by_name = port(number(1, 1) + number(2, 0) + bytes(3, "web"));
    const std::string negative = port(number(1, 0) + number(2, ~uint64_t{0}) + bytes(3, ""));
    const auto text = [](const std::string& target) {
      return R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"s"},
                 "spec":{"ports":[{"port":80,"targetPort":)" +
             target + "}]}}";
    };
    CHECK(encoded(text("\"web\"")).find(by_name) != std::string::npos);
    CHECK(encoded(text("-1")).find(negative) != std::string::npos);
    const auto read = [](const std::string& ports) {
      return decoded(envelope("v1", "Service", bytes(2, ports))).value();
    };
    CHECK(read(by_name)["spec"]["ports"][0]["targetPort"] == Value("web"));
    CHECK(read(negative)["spec"]["ports"][0]["targetPort"] == Value(-1));
  }
  SECTION("a lease holds a time in microseconds, metadata one in seconds") {
    const char* text = R"({"kind":"Lease","apiVersion":"coordination.k8s.io/v1",
        "metadata":{"name":"l","deletionTimestamp":"2001-09-09T01:46:40Z"},
        "spec":{"renewTime":"2001-09-09T01:46:40.000005Z","leaseTransitions":0}})";
    const std::string golden =
        envelope("coordination.k8s.io/v1", "Lease",
                 bytes(1, metadata("l", bytes(9, number(1, 1'000'000'000) + number(2, 0)))) +
                     bytes(2, bytes(4, number(1, 1'000'000'000) + number(2, 5000)) + number(5, 0)));
    CHECK(encoded(text) == golden);
    REQUIRE(decoded(golden).ok());
    CHECK(*decoded(golden) == json(text));
  }
  SECTION("who manages a field is told in a free document") {
    const char* text = R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x",
        "managedFields":[{"manager":"m","fieldsV1":{"f:data":{".":{}}}}]}})";
    const std::string entry = bytes(1, "m") + bytes(2, "") + bytes(3, "") + bytes(6, "") +
                              bytes(7, bytes(1, R"({"f:data":{".":{}}})")) + bytes(8, "");
    const std::string golden =
        envelope("v1", "ConfigMap", bytes(1, metadata("x", bytes(17, entry))));
    CHECK(encoded(text) == golden);
    REQUIRE(decoded(golden).ok());
    CHECK(*decoded(golden) == json(text));
  }
}

TEST_CASE("an embedded message's fields stand one level up") {
  const std::string volume = bytes(1, "t") + bytes(2, bytes(2, bytes(1, "Memory")));
  const auto pod = decoded(envelope("v1", "Pod", bytes(2, bytes(1, volume))));
  REQUIRE(pod.ok());
  CHECK((*pod)["spec"]["volumes"][0] == json(R"({"name":"t","emptyDir":{"medium":"Memory"}})"));

  const std::string body = encoded(R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p"},
      "spec":{"containers":[],"volumes":[{"name":"t","emptyDir":{"medium":"Memory"}}]}})");
  CHECK(body.find(bytes(1, volume)) != std::string::npos);
}

TEST_CASE("a pointer's zero is kept, kinds of every group are known") {
  const auto options = decoded(envelope("apps/v1", "DeleteOptions", number(1, 0) + bytes(4, "X")));
  REQUIRE(options.ok());
  CHECK((*options)["gracePeriodSeconds"] == Value(0));
  CHECK((*options)["propagationPolicy"] == Value("X"));
  CHECK(decoded(envelope("authentication.k8s.io/v1", "TokenRequest", "")).ok());
  CHECK(encoded(R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,
                    "dryRun":["All"]})") ==
        envelope("v1", "DeleteOptions", number(1, 0) + bytes(5, "All")));
}

TEST_CASE("a status goes both ways") {
  const char* text = R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure",
      "message":"no","reason":"NotFound","details":{"name":"x","kind":"pods"},"code":404})";
  const std::string details =
      bytes(1, "x") + bytes(2, "") + bytes(3, "pods") + number(5, 0) + bytes(6, "");
  const std::string golden =
      envelope("v1", "Status",
               bytes(1, bytes(1, "") + bytes(2, "") + bytes(3, "")) + bytes(2, "Failure") +
                   bytes(3, "no") + bytes(4, "NotFound") + bytes(5, details) + number(6, 404));
  CHECK(encoded(text) == golden);
  REQUIRE(decoded(golden).ok());
  CHECK(*decoded(golden) == json(text));
}

TEST_CASE("a list is joined from its parts") {
  const Schema& schema = Schema::builtin();
  const Type& type = *schema.find_document_type("v1", "ConfigMap");
  std::string items;
  for (const char* name : {"a", "b"}) {
    items += protobuf_list_item(type, Value::object({{"metadata", Value::object({{"name", name}})},
                                                     {"kind", "ConfigMap"}}));
  }
  const std::string body =
      protobuf_list_head(schema, "v1", "ConfigMapList",
                         Value::object({{"resourceVersion", "7"}, {"remainingItemCount", 3}}),
                         items.size()) +
      items + std::string(protobuf_list_tail());
  const std::string list_metadata = bytes(1, "") + bytes(2, "7") + bytes(3, "") + number(4, 3);
  CHECK(body == envelope("v1", "ConfigMapList",
                         bytes(1, list_metadata) + bytes(2, bytes(1, metadata("a"))) +
                             bytes(2, bytes(1, metadata("b")))));
  REQUIRE(decoded(body).ok());
  CHECK(*decoded(body) == json(R"({"kind":"ConfigMapList","apiVersion":"v1",
      "metadata":{"resourceVersion":"7","remainingItemCount":3},
      "items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]})"));
}

TEST_CASE("a watch frame says how long it is") {
  const std::string event = bytes(1, "ADDED") + bytes(2, bytes(1, "body"));
  CHECK(protobuf_watch_frame("ADDED", "body") ==
        std::string("\0\0\0", 3) + static_cast<char>(event.size()) + event);
}

TEST_CASE("parts of a message, repeated keys and packed numbers are read as protobuf wants") {
  const std::string entry_1 = bytes(2, bytes(1, "k") + bytes(2, "1"));
  const std::string entry_2 = bytes(2, bytes(1, "k") + bytes(2, "2"));
  const auto map = decoded(envelope("v1", "ConfigMap",
                                    bytes(1, bytes(1, "x")) + entry_1 + entry_2 +
                                        bytes(1, bytes(3, "n")) + bytes(99, "unknown")));
  REQUIRE(map.ok());
  CHECK(*map == json(R"({"kind":"ConfigMap","apiVersion":"v1","data":{"k":"2"},
                         "metadata":{"name":"x","namespace":"n"}})"));
  // supplementalGroups of a pod's security context.
  const auto pod =
      decoded(envelope("v1", "Pod", bytes(2, bytes(14, bytes(4, varint(1) + varint(300))))));
  REQUIRE(pod.ok());
  CHECK(pod->at("spec.securityContext.supplementalGroups") == json("[1,300]"));
}

TEST_CASE("what is no such message is refused") {
  const std::string end_group = varint(1 << 3 | 4);
  const auto fields_v1 = [](const std::string& raw) {
    return bytes(1, bytes(17, bytes(7, bytes(1, raw))));
  };
  const struct {
    const char* why;
    std::string body;
  } cases[] = {
      {"nothing", ""},
      {"JSON", "{}"},
      {"no envelope", std::string("k8s\0", 4)},
      {"an unknown kind", envelope("v1", "Nothing", "")},
      {"an unknown list", envelope("v1", "NothingList", "")},
      {"a kind without numbers", envelope("meta.k8s.io/v1", "Table", "")},
      {"a cut varint", envelope("v1", "Pod", "\xff")},
      {"an endless varint", envelope("v1", "Pod", std::string(11, '\xff') + "\1")},
      {"a length beyond the end", envelope("v1", "Pod", varint(10) + varint(99))},
      {"a huge length", envelope("v1", "Pod", varint(10) + varint(~uint64_t{0}))},
      {"field 0", envelope("v1", "Pod", varint(2) + varint(0))},
      {"a field number of 61 bits", envelope("v1", "Pod", varint(~uint64_t{7}) + varint(0))},
      {"a group", envelope("v1", "Pod", end_group)},
      {"a number for a message", envelope("v1", "Pod", number(1, 1))},
      {"a number for a string", envelope("v1", "Pod", bytes(1, number(1, 1)))},
      {"a string for a number", envelope("v1", "Pod", bytes(1, bytes(7, "x")))},
      {"a number for a map's entry", envelope("v1", "ConfigMap", number(2, 1))},
      {"a number for a map's value", envelope("v1", "ConfigMap", bytes(2, number(2, 1)))},
      {"a string that isn't UTF-8", envelope("v1", "Pod", bytes(1, bytes(1, "\xff")))},
      {"a key that isn't UTF-8", envelope("v1", "ConfigMap", bytes(2, bytes(1, "\xff")))},
      {"a time beyond the calendar",
       envelope("v1", "Pod", bytes(1, bytes(8, number(1, uint64_t{1} << 62))))},
      {"a second of many nanos",
       envelope("v1", "Pod", bytes(1, bytes(8, number(2, 1'000'000'000))))},
      {"raw bytes that are no JSON", envelope("v1", "ConfigMap", fields_v1("{"))},
      {"raw JSON too deep within the document",
       envelope("v1", "ConfigMap",
                fields_v1(std::string(kMaxDepth, '[') + std::string(kMaxDepth, ']')))},
  };
  for (const auto& [why, body] : cases) {
    INFO(why);
    const auto value = decoded(body);
    REQUIRE_FALSE(value.ok());
    CHECK(value.status().code == 400);
  }
}

TEST_CASE("every cut of a good message, and every flipped byte, is refused or read") {
  std::string good = encoded(R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p",
      "labels":{"a":"b"},"creationTimestamp":"2001-09-09T01:46:40Z"},
      "spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"1"}}}]}})");
  for (size_t size = 0; size < good.size(); ++size) {
    static_cast<void>(decoded(std::string_view(good).substr(0, size)));
  }
  for (char& byte : good) {
    for (const char flip : {'\x01', '\x07', '\x40', '\x80', '\xff'}) {
      const char kept = byte;
      byte = static_cast<char>(byte ^ flip);
      static_cast<void>(decoded(good));
      byte = kept;
    }
  }
}

TEST_CASE("limits hold") {
  const Schema& schema = Schema::builtin();
  std::string entries;
  for (int i = 0; i < 100; ++i) {
    entries += bytes(2, bytes(1, std::to_string(i)) + bytes(2, ""));
  }
  const std::string body = envelope("v1", "ConfigMap", entries);
  CHECK(decode_protobuf(schema, body, {.max_bytes = body.size(), .max_values = 100}).ok());
  const auto large = decode_protobuf(schema, body, {.max_bytes = body.size() - 1});
  REQUIRE_FALSE(large.ok());
  CHECK(large.status().code == 413);
  const auto many = decode_protobuf(schema, body, {.max_values = 99});
  REQUIRE_FALSE(many.ok());
  CHECK(many.status().code == 400);
}

TEST_CASE("durations are Go's") {
  const struct {
    const char* text;
    int64_t nanos;
    const char* canonical;
  } cases[] = {
      {"0", 0, "0s"},
      {"30s", 30'000'000'000, "30s"},
      {"90s", 90'000'000'000, "1m30s"},
      {"1.5h", 5'400'000'000'000, "1h30m0s"},
      {"-300ms", -300'000'000, "-300ms"},
      {"1h1ms", 3'600'001'000'000, "1h0m0.001s"},
      {"1us", 1000, "1\u00b5s"},
      {"1.25\u03bcs", 1250, "1.25\u00b5s"},
      {"7ns", 7, "7ns"},
      {"2562047h47m16.854775807s", INT64_MAX, "2562047h47m16.854775807s"},
      {"-2562047h47m16.854775808s", INT64_MIN, "-2562047h47m16.854775808s"},
  };
  for (const auto& [text, nanos, canonical] : cases) {
    INFO(text);
    REQUIRE(parse_duration_ns(text));
    CHECK(*parse_duration_ns(text) == nanos);
    CHECK(format_duration_ns(nanos) == canonical);
  }
  for (const char* text : {"", "-", "1", "s", "1x", ".s", "1s ", "2562047h47m16.854775808s",
                           "99999999999999999999999999999999999999999h"}) {
    INFO(text);
    CHECK_FALSE(parse_duration_ns(text));
  }
}

}  // namespace
}  // namespace orch::api
