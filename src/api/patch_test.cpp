#include "api/patch.h"

#include <catch2/catch_test_macros.hpp>

#include "api/resources.h"

namespace orch::api {
namespace {

Value json(std::string_view text) {
  auto value = parse_json(text);
  REQUIRE(value);
  return *std::move(value);
}

TEST_CASE("JSON patches apply as RFC 6902 says") {
  struct Case {
    const char *document, *patch, *result;  // result nullptr: refused
  };
  const Case cases[] = {
      {R"({"a":1})", R"([{"op":"add","path":"/b","value":[1]}])", R"({"a":1,"b":[1]})"},
      {R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2,3]})"},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])", R"({"a":[1,2]})"},
      {R"({"a/b":1,"~":2})", R"([{"op":"remove","path":"/a~1b"},{"op":"remove","path":"/~0"}])",
       "{}"},
      {R"({"a":1})", R"([{"op":"replace","path":"/a","value":null}])", R"({"a":null})"},
      {R"({"a":{"b":1}})", R"([{"op":"move","from":"/a/b","path":"/c"}])", R"({"a":{},"c":1})"},
      {R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/c"}])",
       R"({"a":{"b":1},"c":{"b":1}})"},
      {R"({"a":1})", R"([{"op":"test","path":"/a","value":1.0}])", R"({"a":1})"},
      {R"({"a":1})", R"([{"op":"replace","path":"","value":7}])", "7"},
      {R"({"a":1})", R"([{"op":"test","path":"/a","value":2}])", nullptr},
      {R"({"a":1})", R"([{"op":"remove","path":"/b"}])", nullptr},
      {R"({"a":1})", R"([{"op":"replace","path":"/b","value":1}])", nullptr},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/2","value":1}])", nullptr},
      {R"({"a":[1]})", R"([{"op":"add","path":"/a/01","value":1}])", nullptr},
      {R"({"a":{}})", R"([{"op":"move","from":"/a","path":"/a/b"}])", nullptr},
      {R"({})", R"([{"op":"add","path":"/a"}])", nullptr},
      {R"({})", R"([{"op":"add","path":"a","value":1}])", nullptr},
      {R"({})", R"([{"op":"spray","path":"/a","value":1}])", nullptr},
      {R"({})", R"([{"op":"add","path":"/~2","value":1}])", nullptr},
      {R"({})", R"({"a":1})", nullptr},
  };
  for (const Case& c : cases) {
    INFO(c.patch);
    const auto result = apply_json_patch(json(c.document), json(c.patch));
    REQUIRE(result.ok() == (c.result != nullptr));
    if (result) CHECK(*result == json(c.result));
  }
}

TEST_CASE("a JSON patch of copies can't grow without end") {
  std::string patch = R"([{"op":"add","path":"/a","value":{"x":"0123456789"}})";
  for (int i = 0; i < 60; ++i)
    patch += R"(,{"op":"copy","from":"","path":"/a/n)" + std::to_string(i) + "\"}";
  CHECK(apply_json_patch(json("{}"), json(patch + "]")).status().code == 413);
}

TEST_CASE("merge patches apply as RFC 7386 says") {
  CHECK(*apply_merge_patch(json(R"({"a":{"b":1,"c":2},"l":[1,2]})"),
                           json(R"({"a":{"b":null,"d":{"e":null}},"l":[3]})")) ==
        json(R"({"a":{"c":2,"d":{}},"l":[3]})"));
  CHECK_FALSE(apply_merge_patch(json("{}"), json("[]")));
}

Value strategic(std::string_view document, std::string_view patch) {
  auto result = apply_strategic_patch(*resource::pods().type, json(document), json(patch));
  REQUIRE(result);
  return *std::move(result);
}

TEST_CASE("strategic patches merge lists by their key") {
  const char* pod =
      R"({"spec":{"containers":[{"name":"a","image":"x","env":[{"name":"E","value":"1"}]},
                                              {"name":"b","image":"y"}]}})";
  CHECK(strategic(pod, R"({"spec":{"containers":[{"name":"a","image":"z"}]}})")
            .at("spec.containers") ==
        json(
            R"([{"name":"a","image":"z","env":[{"name":"E","value":"1"}]},
              {"name":"b","image":"y"}])"));
  CHECK(strategic(pod, R"({"spec":{"containers":[{"name":"c","image":"n"}]}})")
            .at("spec.containers")
            .size() == 3);
  CHECK(strategic(pod, R"({"spec":{"containers":[{"$patch":"delete","name":"a"}]}})")
            .at("spec.containers") == json(R"([{"name":"b","image":"y"}])"));
  CHECK(strategic(pod, R"({"spec":{"containers":[{"name":"n"},{"$patch":"replace"}]}})")
            .at("spec.containers") == json(R"([{"name":"n"}])"));
  CHECK_FALSE(apply_strategic_patch(*resource::pods().type, json(pod),
                                    json(R"({"spec":{"containers":[{"image":"no name"}]}})")));
}

TEST_CASE("a strategic patch makes an object of what is none") {
  CHECK(strategic("5", R"({"spec":{"nodeName":"n"}})").at("spec.nodeName").as_string() == "n");
  CHECK(strategic(R"({"spec":{"containers":[null]}})",
                  R"({"spec":{"containers":[{"name":null,"image":"i"}]}})")
            .at("spec.containers")
            .items()[0]
            .is_object());
}

TEST_CASE("strategic patches order lists, delete from sets, retain keys, replace maps") {
  const char* pod =
      R"({"metadata":{"finalizers":["a","b"],"labels":{"x":"1","y":"2"}},
          "spec":{"containers":[{"name":"a"},{"name":"b"}],
                  "volumes":[{"name":"v","emptyDir":{}}]}})";
  CHECK(strategic(pod, R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}})")
            .at("spec.containers") == json(R"([{"name":"b"},{"name":"a"}])"));
  CHECK(strategic(
            pod, R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a"],"finalizers":["c"]}})")
            .at("metadata.finalizers") == json(R"(["b","c"])"));
  CHECK(strategic(pod, R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name","hostPath"],
                                               "hostPath":{"path":"/x"}}]}})")
            .at("spec.volumes") == json(R"([{"name":"v","hostPath":{"path":"/x"}}])"));
  CHECK(strategic(pod, R"({"metadata":{"labels":{"x":null,"z":"3"}}})").at("metadata.labels") ==
        json(R"({"y":"2","z":"3"})"));
  CHECK(strategic(pod, R"({"metadata":{"labels":{"$patch":"replace","z":"3"}}})")
            .at("metadata.labels") == json(R"({"z":"3"})"));
  CHECK(strategic(pod, R"({"metadata":{"labels":{"$patch":"delete"}}})")
            .at("metadata.labels")
            .is_null());
  CHECK_FALSE(apply_strategic_patch(*resource::pods().type, json(pod),
                                    json(R"({"metadata":{"labels":{"$patch":"burn"}}})")));
  CHECK(strategic(pod, R"({"spec":{"securityContext":{"runAsUser":1,"runAsGroup":null}}})")
            .at("spec.securityContext") == json(R"({"runAsUser":1})"));
}

}  // namespace
}  // namespace orch::api
