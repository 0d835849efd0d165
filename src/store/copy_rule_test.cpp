#include "store/copy_rule.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::store {
namespace {

constexpr CopyRule::Limits kLimits{
    .copy_after = 100, .keep = 10, .copy_after_bytes = 1000, .keep_bytes = 300};

TEST_CASE("a log of small entries is cut by their number") {
  CopyRule rule(kLimits);
  for (uint64_t i = 1; i <= 50; ++i) rule.applied(i, 1);
  CHECK(rule.copy_after() == 100);
  CHECK(rule.keep() == 10);
}

TEST_CASE("a log of large entries is cut by their bytes") {
  CopyRule rule(kLimits);
  uint64_t i = 1;
  for (; i <= 9; ++i) rule.applied(i, 100);
  CHECK(rule.copy_after() == 100);
  rule.applied(i++, 100);
  CHECK(rule.copy_after() == 1);
  CHECK(rule.keep() == 3);
  rule.copied();
  CHECK(rule.copy_after() == 100);
  // libraft's disk forgets everything where nothing is to stay.
  rule.applied(i++, 5000);
  CHECK(rule.keep() == 1);
}

}  // namespace
}  // namespace orch::store
