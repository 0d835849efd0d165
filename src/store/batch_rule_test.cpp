#include "store/batch_rule.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::store {
namespace {

using std::chrono::microseconds;

// Applied ten writes in 100 us, and the disk took so long.
BatchRule after(microseconds disk_took) {
  BatchRule rule;
  rule.applied(10, microseconds(100));
  rule.settled(disk_took);
  return rule;
}

}  // namespace

TEST_CASE("An idle disk gets what waits at once") {
  CHECK(after(microseconds(10'000)).takes(1, 0));
  CHECK_FALSE(after(microseconds(10'000)).takes(0, 0));
}

TEST_CASE("Beside a fast disk half as many as are being settled are applied meanwhile") {
  const BatchRule fast = after(microseconds(300));
  CHECK_FALSE(fast.takes(63, 128));
  CHECK(fast.takes(64, 128));
  CHECK_FALSE(fast.takes(0, 128));
}

TEST_CASE("What waits for a slow disk shares its next sync") {
  const BatchRule slow = after(microseconds(10'000));
  CHECK_FALSE(slow.takes(128, 128));
  // So many that their applying would take longer than the disk does.
  CHECK(slow.takes(1000, 128));
}

TEST_CASE("Before a disk is known it is taken for a fast one") {
  BatchRule rule;
  rule.applied(1, microseconds(10));
  CHECK(rule.takes(1, 1));
}

}  // namespace orch::store
