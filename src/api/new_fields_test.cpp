// What is written of an object's owners when it is created is what comparing it would say.
#include "api/new_fields.h"

#include <catch2/catch_test_macros.hpp>

#include "api/canonical.h"
#include "api/decode.h"
#include "api/ownership.h"
#include "api/random_objects.h"

namespace orch::api {
namespace {

TEST_CASE("the fields of a new object are those that differ from an empty one's") {
  constexpr uint32_t kObjectsEach = 30;
  constexpr int kDepth = 7;
  FieldSet left_out;
  for (const char* name : {"kind", "apiVersion", "status"}) {
    left_out.insert({PathStep::field(name)});
  }
  left_out.insert({PathStep::field("metadata"), PathStep::field("name")});
  size_t longest = 0;
  for (const Resource* resource : Schema::builtin().resources()) {
    const Type& type = *resource->type;
    for (uint32_t seed = 1; seed <= kObjectsEach; ++seed) {
      INFO(type.name << ", seed " << seed);
      auto shaped = decode(type, RandomObjects(seed).object(type, kDepth));
      REQUIRE(shaped.ok());
      const Value object = canonicalize(type, *std::move(shaped));
      FieldSet fields = compare_fields(type, canonicalize(type, Value::object()), object).changed();
      fields.remove_trees(left_out);
      std::string expected;
      if (!fields.empty()) fields.append_fields(&expected);
      const std::string text = new_fields(type, object, left_out);
      REQUIRE(text == expected);
      longest = std::max(longest, text.size());
    }
  }
  CHECK(longest > 1000);
}

}  // namespace
}  // namespace orch::api
