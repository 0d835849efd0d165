#include "api/selector.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::api {
namespace {

bool matches(std::string_view selector, const Labels& labels) {
  const auto parsed = LabelSelector::parse(selector);
  REQUIRE(parsed);
  return parsed->matches(labels);
}

TEST_CASE("label selectors select as documented") {
  const Labels labels{{"app", "web"}, {"n", "5"}, {"tier", "front"}};
  for (const char* yes :
       {"", "app=web", "app==web", "app in (web, api)", "tier", "!gone", "app!=api", "gone!=x",
        "gone notin (x)", "n>4", "n<6", " app = web , tier ", "app in (web),n,tier=front"})
    CHECK(matches(yes, labels));
  for (const char* no : {"app=api", "app in (api)", "gone", "!app", "app!=web", "app notin (web,x)",
                         "n>5", "n<5", "app>1", "app=web,gone"})
    CHECK_FALSE(matches(no, labels));
  for (const char* bad : {",", "=", "app=web,", "app in web", "app in (web", "a b", "!", "app>x",
                          "app=web app", "a in ()b", "(a)", "a!b"})
    CHECK(LabelSelector::parse(bad).status().code == 400);
  CHECK_FALSE(LabelSelector::parse(std::string(LabelSelector::kMaxTextBytes + 1, 'a')));
}

TEST_CASE("a wrong selector is told in the words of Kubernetes") {
  struct Row {
    const char *text, *message;
  };
  const Row rows[] = {
      {"a=b=c", "found '=', expected: ',' or 'end of string'"},
      {"=b", "found '=', expected: !, identifier, or 'end of string'"},
      {"a,,b", "found ',', expected: identifier after ','"},
      {"!", "unable to parse requirement: found '', expected: identifier"},
      {"a near (b)",
       "unable to parse requirement: found 'near', expected: in, notin, =, ==, !=, gt, lt"},
      {"a in b", "unable to parse requirement: found 'b' expected: '('"},
      {"a in (b", "unable to parse requirement: found '', expected: ',' or ')'"},
      {"a>b",
       "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, "
       "the "
       "value must be an integer"},
  };
  for (const Row& row : rows) {
    CHECK(LabelSelector::parse(row.text).status().message == row.message);
  }
}

TEST_CASE("a selector object selects as its text does") {
  const auto object = parse_json(
      R"({"matchLabels":{"b":"2","a":"1"},"matchExpressions":[
          {"key":"c","operator":"NotIn","values":["y","x"]},{"key":"d","operator":"Exists"}]})");
  const auto selector = LabelSelector::from_object(*object);
  REQUIRE(selector);
  CHECK(selector->to_string() == "a=1,b=2,c notin (x,y),d");
  CHECK_FALSE(LabelSelector::from_object(Value())->matches({}));           // null: nothing.
  CHECK(LabelSelector::from_object(Value(Value::Object{}))->matches({}));  // {}: everything.
  CHECK_FALSE(LabelSelector::from_object(
      *parse_json(R"({"matchExpressions":[{"key":"c","operator":"Near"}]})")));
}

TEST_CASE("field selectors give their requirements") {
  const auto selector = FieldSelector::parse(R"(metadata.name=a\,b,status.phase!=Running,x==y)");
  REQUIRE(selector);
  REQUIRE(selector->requirements().size() == 3);
  CHECK(selector->requirements()[0].value == "a,b");
  CHECK_FALSE(selector->requirements()[1].equal);
  CHECK(selector->requirements()[2].value == "y");
  CHECK(FieldSelector::parse("")->everything());
  for (const char* bad : {"a", "=b", "a=b=c", "a=b,,c=d", R"(a=\x)", "a=b\\"})
    CHECK(FieldSelector::parse(bad).status().code == 400);
}

}  // namespace
}  // namespace orch::api
