// Every field that a view reads must be in the schema, in that place and of that shape.
#include "api/views.h"

#include <catch2/catch_test_macros.hpp>

#include "base/strings.h"

using namespace orch;
using namespace orch::api;

TEST_CASE("views read what the schema has") {
  CHECK(view_fields().size() > 50);
  for (const ViewField& one : view_fields()) {
    INFO(one.type << " " << one.path);
    const Type* type = Schema::builtin().find_type(one.type);
    const Field* field = nullptr;
    for (const std::string_view step : split(one.path, '.')) {
      REQUIRE(type != nullptr);
      field = type->find(step);
      REQUIRE(field != nullptr);
      type = field->type;
    }
    CHECK(field->shape == one.shape);
  }
}

TEST_CASE("views read") {
  const auto object = parse_json(R"({"metadata":{"name":"a","namespace":"d","ownerReferences":[
      {"name":"x"},{"name":"y","controller":true}]},
    "spec":{"nodeName":"n"},
    "status":{"conditions":[{"type":"Ready","status":"True"}],"phase":"Failed"}})");
  REQUIRE(object.ok());
  const Pod pod(*object);
  CHECK(pod.metadata().name() == "a");
  CHECK(pod.metadata().controller()["name"].as_string() == "y");
  CHECK_FALSE(pod.metadata().is_deleting());
  CHECK(pod.spec().node_name() == "n");
  CHECK(pod.spec().grace_s() == 30);
  CHECK(pod.is_ready());
  CHECK(pod.is_finished());
  CHECK(Deployment(*object).replicas() == 1);
}
