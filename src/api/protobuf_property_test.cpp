// What is written can be read again: for random objects of every resource, and for every kind that
// only subresources and options speak, JSON → protobuf → JSON changes nothing.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "api/canonical.h"
#include "api/decode.h"
#include "api/protobuf.h"
#include "api/random_objects.h"

namespace orch::api {
namespace {

TEST_CASE("JSON to protobuf to JSON changes nothing, for every document of the schema") {
  constexpr uint32_t kObjectsEach = 40;
  constexpr int kDepth = 9;
  const Schema& schema = Schema::builtin();
  int kinds = 0;
  for (const Type* type : schema.types()) {
    if (!type->top_level || !has_protobuf(*type)) continue;
    ++kinds;
    const std::string api_version =
        type->group.empty() ? type->version : type->group + "/" + type->version;
    for (uint32_t seed = 1; seed <= kObjectsEach; ++seed) {
      INFO(type->name << ", seed " << seed);
      Value object = RandomObjects(seed).object(*type, kDepth);
      object.set("kind", type->kind);
      object.set("apiVersion", api_version);
      auto shaped = decode(*type, std::move(object));
      REQUIRE(shaped.ok());
      const Value before = canonicalize(*type, *std::move(shaped));
      const std::string body = encode_protobuf(*type, before);
      auto read = decode_protobuf(schema, body);
      REQUIRE(read.ok());
      shaped = decode(*type, *std::move(read));
      REQUIRE(shaped.ok());
      const Value after = canonicalize(*type, *std::move(shaped));
      REQUIRE_THAT(to_json(after), Catch::Matchers::Equals(to_json(before)));
      // The bytes depend on nothing but the object.
      REQUIRE(encode_protobuf(*type, after) == body);
    }
  }
  CHECK(kinds > 30);
}

TEST_CASE(
    "every resource but definitions has a protobuf form, and knows the number of each of its "
    "fields") {
  for (const Resource* resource : Schema::builtin().resources()) {
    INFO(resource->kind);
    // A schema within a definition has members of several shapes; see its table.
    if (resource->group == "apiextensions.k8s.io") continue;
    REQUIRE(has_protobuf(*resource->type));
    // kind and apiVersion stand in the envelope.
    CHECK(resource->type->wire_order.size() + 2 == resource->type->fields.size());
  }
}

}  // namespace
}  // namespace orch::api
