// The Leases that show who leads: taken over at once, renewed seldom, made again when they go.
#include "server/controllers/leader_lease.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::controllers {
namespace {

using api::Value;

WallTime at(int64_t seconds) { return WallTime(std::chrono::seconds(1'700'000'000 + seconds)); }

TEST_CASE("a leader's Lease is held, renewed when due, and left alone in between") {
  const Value made = plan_leader_lease({}, "kube-scheduler", "a", at(0));
  CHECK(made.at("metadata.namespace") == "kube-system");
  CHECK(made.at("metadata.name") == "kube-scheduler");
  CHECK(made.at("spec.holderIdentity") == "a");
  CHECK(made.at("spec.leaseTransitions").as_int(-1) == 0);
  CHECK(plan_leader_lease(made, "kube-scheduler", "a", at(1799)).is_null());
  const Value renewed = plan_leader_lease(made, "kube-scheduler", "a", at(1800));
  CHECK(renewed.at("spec.renewTime") == format_micro_time(at(1800)));
  CHECK(renewed.at("spec.acquireTime") == format_micro_time(at(0)));
  // Never older than it says that it lasts.
  CHECK(renewed.at("spec.leaseDurationSeconds").as_int() > 1800);
}

TEST_CASE("who leads next takes the Lease over at once") {
  const Value made = plan_leader_lease({}, "kube-scheduler", "a", at(0));
  const Value taken = plan_leader_lease(made, "kube-scheduler", "b", at(5));
  CHECK(taken.at("spec.holderIdentity") == "b");
  CHECK(taken.at("spec.acquireTime") == format_micro_time(at(5)));
  CHECK(taken.at("spec.leaseTransitions").as_int() == 1);
  // A clock that was set back does not keep it from being renewed.
  CHECK_FALSE(plan_leader_lease(taken, "kube-scheduler", "b", at(-100)).is_null());
}

}  // namespace
}  // namespace orch::controllers
