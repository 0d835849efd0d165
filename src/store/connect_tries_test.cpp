#include "store/connect_tries.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::store {
namespace {

constexpr uint64_t kServer = 7;

TEST_CASE("a member that can't be reached is tried ever more seldom, up to a limit") {
  ConnectTries tries;
  CHECK(tries.next(kServer, true) == 0);
  uint64_t now = 1000;
  for (const uint64_t wait : {250, 500, 1000, 2000, 2000}) {
    tries.failed(kServer, now);
    CHECK(tries.next(kServer, true) == now + wait);
    CHECK(tries.next(kServer + 1, true) == 0);
    now += wait;
  }
  tries.forget(kServer);
  CHECK(tries.next(kServer, true) == 0);
  tries.failed(kServer, now);
  CHECK(tries.next(kServer, true) == now + 250);
}

TEST_CASE("who is no member is tried once, and again when it shows up or is let in") {
  ConnectTries tries;
  CHECK(tries.next(kServer, false) == 0);
  tries.failed(kServer, 1000);
  CHECK(tries.next(kServer, false) == std::nullopt);
  CHECK(tries.next(kServer, true) == 1250);
  tries.forget(kServer);
  CHECK(tries.next(kServer, false) == 0);
}

}  // namespace
}  // namespace orch::store
