#include "api/json.h"

#include <catch2/catch_test_macros.hpp>

#include "api/json_cut.h"
#include "base/strings.h"

namespace orch::api {
namespace {

TEST_CASE("what JSON may hold as it is and YAML may not is escaped in YAML") {
  for (const char* text : {"a\x7f", "\xC2\x80", "\xC2\x9F", "\xEF\xBF\xBE", "x\xEF\xBF\xBF\n"}) {
    Value value(Value::Object{});
    value.set(text, Value(text));
    const auto again = parse_yaml(to_yaml(value));
    REQUIRE(again.ok());
    REQUIRE(*again == value);
  }
  // Their neighbours stand as they are.
  REQUIRE(to_yaml(Value("\xC2\xA0 \xEF\xBF\xBD")) == "\xC2\xA0 \xEF\xBF\xBD\n");
}

TEST_CASE("what ends a line in YAML alone is written so that it reads back") {
  for (const char* text : {"a\xC2\x85z", "\xE2\x80\xA8", "a\nb\xE2\x80\xA9\n", "\xEF\xBB\xBFx"}) {
    const Value value = Value::object({{text, text}});
    CHECK(parse_yaml(to_yaml(value)).value() == value);
  }
}

TEST_CASE("half of a surrogate pair becomes the replacement character, as in Go") {
  const auto value = parse_json(R"({"a":"x\ude00y","\uDE00":"\ud83d\ude00","b":"\ud7ff\ue000"})");
  REQUIRE(value.ok());
  CHECK((*value)["a"].as_string() == "x\xEF\xBF\xBDy");
  CHECK((*value)["\xEF\xBF\xBD"].as_string() == "\xF0\x9F\x98\x80");
  CHECK((*value)["b"].as_string() == "\xED\x9F\xBF\xEE\x80\x80");
  // What is written can be read: a stored object that can't would stop the server.
  const std::string json = to_json(*value);
  CHECK(valid_utf8(json));
  CHECK(parse_json(json).value() == *value);
}

TEST_CASE("JSON keeps order, integers and text") {
  const char* text = R"({"b":1,"a":[true,null,-2.5,"x\n\u00fc"],"big":9223372036854775807,"o":{}})";
  const auto value = parse_json(text);
  REQUIRE(value);
  CHECK(to_json(*value) ==
        "{\"b\":1,\"a\":[true,null,-2.5,\"x\\n\xc3\xbc\"],"
        "\"big\":9223372036854775807,\"o\":{}}");
  CHECK(value->at("a")[2].as_double() == -2.5);
  CHECK(*value == *parse_json(to_json_pretty(*value)));
}

TEST_CASE("JSON that is malformed, too deep or too large is refused") {
  for (const char* bad : {"", "{", "[1,]", "{\"a\":1,}", "nul", "1 2", "\"\xff\"", "{\"a\" 1}",
                          "'a'", "[01]", "\"\\ud800\""})
    CHECK(parse_json(bad).status().code == 400);
  CHECK(parse_json(std::string(kMaxDepth, '[') + std::string(kMaxDepth, ']')));
  CHECK_FALSE(parse_json(std::string(kMaxDepth + 1, '[') + std::string(kMaxDepth + 1, ']')));
  CHECK_FALSE(parse_json(std::string(1'000'000, '[')));
  CHECK(parse_json("[1,2,3]", {5, nullptr}).status().code == 413);
}

TEST_CASE("JSON does not end at a NUL") {
  CHECK_FALSE(parse_json(std::string_view("{}\0{\"a\":1}", 10)));
  CHECK_FALSE(parse_json(std::string_view("12\0", 3)));
  CHECK(parse_json("{} \n"));
}

TEST_CASE("JSON numbers of any length and exponent are read") {
  CHECK(parse_json("[0.1,1e5,-2.5E-3,-0]")->items()[2].as_double() == -2.5e-3);
  CHECK(parse_json("0." + std::string(400, '0') + "1e401")->as_double() == 1);
  CHECK(parse_json("1e-400")->as_double() == 0);
  CHECK(parse_json("9223372036854775807")->as_int() == INT64_MAX);
  CHECK(parse_json("-9223372036854775808")->as_int() == INT64_MIN);
  CHECK(parse_json("9223372036854775808")->as_double() == 9223372036854775808.0);
  CHECK_FALSE(parse_json("1e400"));
  CHECK_FALSE(parse_json("-1e400"));
  CHECK_FALSE(parse_json("01"));
  CHECK_FALSE(parse_json("1."));
}

TEST_CASE("an object of too many members is refused before it takes long") {
  std::string text = "{";
  for (size_t i = 0; i < kMaxMembers; ++i) text += '"' + std::to_string(i) + "\": 1,\n";
  CHECK(parse_json(text.substr(0, text.size() - 2) + "}"));
  CHECK(parse_yaml(text + "}"));
  CHECK_FALSE(parse_json(text + "\"x\":1}"));
  CHECK_FALSE(parse_yaml(text + "\"x\": 1}"));
}

TEST_CASE("members that stand twice are told by their path") {
  std::vector<std::string> twice;
  const auto value = parse_json(R"({"a":{"b":1,"b":2},"c":[{"d":1,"d":2}]})", {1000, &twice});
  REQUIRE(value);
  CHECK(twice == std::vector<std::string>{"a.b", "c[0].d"});
  CHECK(value->at("a.b").as_int() == 2);
}

TEST_CASE("readers of a Value never fail") {
  const Value value = Value::object({{"n", 1}});
  CHECK(value["missing"]["deeper"][3].is_null());
  CHECK(value["n"].as_string().empty());
  CHECK(value.at("n.x.y").as_int(7) == 7);
  CHECK(Value(2.0).as_int() == 2);
  CHECK(Value::object({{"a", 1}, {"b", 2}}) == Value::object({{"b", 2}, {"a", 1.0}}));
}

TEST_CASE("YAML reads as Kubernetes reads it") {
  const auto value = parse_yaml(R"(# a comment
apiVersion: v1
metadata: {name: web, labels: {on: "yes", n: '1'}}
list:
- 1
- 0x1f
- 017
- -2.5e3
- true
- ~
- yes
- 1.2.3
- 2024-01-01
text: |
  two
  lines
anchor: &a {x: 1}
alias: *a
)");
  REQUIRE(value);
  CHECK(value->at("metadata.labels.on").as_string() == "yes");
  CHECK(value->at("metadata.labels.n").as_string() == "1");
  CHECK(to_json((*value)["list"]) == R"([1,31,15,-2500.0,true,null,"yes","1.2.3","2024-01-01"])");
  CHECK((*value)["text"].as_string() == "two\nlines\n");
  CHECK((*value)["alias"] == (*value)["anchor"]);
}

TEST_CASE("no bytes at all are an empty YAML document") {
  const auto value = parse_yaml(std::string_view());
  REQUIRE(value);
  CHECK(value->is_null());
}

TEST_CASE("YAML that is malformed or hostile is refused") {
  for (const char* bad : {"a: b: c", "- a\nb: c", "a: *nowhere", "---\na: 1\n---\nb: 2\n",
                          "\"\xff\"", "? [1]\n: 2", "a: 'x"})
    CHECK_FALSE(parse_yaml(bad));
  std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string below = "*a" + std::to_string(i - 1);
    laughs += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + below;
    for (int k = 0; k < 9; ++k) laughs += "," + below;
    laughs += "]\n";
  }
  CHECK(parse_yaml(laughs).status().code == 413);
  CHECK_FALSE(parse_yaml(std::string(100'000, '[')));
}

TEST_CASE("keys of any length can be written as YAML") {
  for (const size_t length : {1000u, 1024u, 1025u, 5000u}) {
    const std::string key(length, 'k');
    Value inner;
    inner[key] = Value::object({{key + " ", 1}});
    inner["b"] = Value::array({Value::object({{key, "x"}, {"y", 2}})});
    const auto again = parse_yaml(to_yaml(inner));
    REQUIRE(again);
    CHECK(*again == inner);
  }
}

TEST_CASE("what is written as YAML reads back the same") {
  const auto value = parse_json(
      R"({"a":"true","b":"1","c":"","d":null,"e":[],"f":{},"g":[{"x":1,"y":["z",[1,2]]},"- a"],
          "h":"line\nline","i":"a: b","j":"#","k":"yes","l":1.5,"m":[[]],"n":[{}]})");
  REQUIRE(value);
  const auto again = parse_yaml(to_yaml(*value));
  REQUIRE(again);
  CHECK(*again == *value);
}

TEST_CASE("parts of a text are found without making values of it") {
  const std::string text =
      R"({"a\"}":"x\\","b":{"c":[1,{"d":"]}\""},[]],"d":true},"d":-1.5e3,"e":{}})";
  REQUIRE(parse_json(text).ok());
  CHECK(first_value(text) == text);
  CHECK(first_value(text.substr(0, text.size() - 1)).empty());
  CHECK(member_text(text, R"(a\")"
                          "}") == R"("x\\")");
  CHECK(member_text(text, "d") == "-1.5e3");
  CHECK(member_text(text, "e") == "{}");
  CHECK(member_text(text, "c").empty());
  CHECK(member_text(member_text(text, "b"), "d") == "true");
  std::vector<std::string_view> items;
  for_each_item(member_text(member_text(text, "b"), "c"), [&](std::string_view item) {
    items.push_back(item);
    return true;
  });
  CHECK(items == std::vector<std::string_view>{"1", R"({"d":"]}\""})", "[]"});
  for (const char* bad : {"", "{", "[", "\"", "{\"a", "{\"a\"", "{\"a\":", "[1,"}) {
    CHECK(member_text(bad, "a").empty());
    for_each_item(bad, [](std::string_view) { return true; });
  }
}

TEST_CASE("broken JSON is told in the words of Go") {
  struct Row {
    const char *text, *message;
  };
  const Row rows[] = {
      {"", "unexpected end of JSON input"},
      {R"({"a":)", "unexpected end of JSON input"},
      {R"({"a":"b)", "unexpected end of JSON input"},
      {"hello", "invalid character 'h' looking for beginning of value"},
      {"nope", "invalid character 'o' in literal null (expecting 'u')"},
      {"{}}", "invalid character '}' after top-level value"},
      {R"({"a":1,})", "invalid character '}' looking for beginning of object key string"},
      {R"({"a" 1})", "invalid character '1' after object key"},
      {R"({"a":1 "b":2})", "invalid character '\"' after object key:value pair"},
      {"[1 2]", "invalid character '2' after array element"},
      {R"(["\q"])", "invalid character 'q' in string escape code"},
      {R"(["\u00zz"])", "invalid character 'z' in \\u hexadecimal character escape"},
      {"[\"a\nb\"]", "invalid character '\\n' in string literal"},
      {"[1.]", "invalid character ']' after decimal point in numeric literal"},
      {"[1e]", "invalid character ']' in exponent of numeric literal"},
      {"[-]", "invalid character ']' in numeric literal"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK(parse_json(row.text).status().message == row.message);
  }
}

}  // namespace
}  // namespace orch::api
