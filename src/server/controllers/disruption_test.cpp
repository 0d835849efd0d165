// How many pods may be evicted: the arithmetic of budgets.
#include "server/controllers/disruption.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::controllers {
namespace {

using api::Value;

constexpr WallTime kNow{std::chrono::hours{24 * 365 * 50}};

Value json(const std::string& text) {
  auto parsed = api::parse_json(text);
  REQUIRE(parsed.ok());
  return *std::move(parsed);
}

Value pod(const std::string& name, bool ready, bool deleting = false) {
  return json(R"({"metadata":{"name":")" + name + "\"" +
              (deleting ? R"(,"deletionTimestamp":"2020-01-01T00:00:00Z")" : "") +
              R"(},"status":{"conditions":[{"type":"Ready","status":")" +
              (ready ? "True" : "False") + R"("}]}})");
}

Value budget(const std::string& spec, const std::string& status = "{}") {
  return json(R"({"metadata":{"name":"b","generation":3},"spec":)" + spec + R"(,"status":)" +
              status + "}");
}

struct Counts {
  int64_t allowed, healthy, desired, expected;
  bool operator==(const Counts&) const = default;
};

Counts counts(const Value& status) {
  return {status["disruptionsAllowed"].as_int(), status["currentHealthy"].as_int(),
          status["desiredHealthy"].as_int(), status["expectedPods"].as_int()};
}

TEST_CASE("a budget allows what is healthy beyond what must be") {
  const std::vector<Value> pods = {pod("a", true), pod("b", true), pod("c", true), pod("d", false),
                                   pod("e", true, true)};
  const auto plan = [&](const std::string& spec) {
    return counts(plan_disruption(budget(spec), pods, 6, kNow).status);
  };
  CHECK(plan(R"({"minAvailable":2})") == Counts{1, 3, 2, 5});
  CHECK(plan(R"({"minAvailable":9})") == Counts{0, 3, 9, 5});
  CHECK(plan(R"({"minAvailable":"34%"})") == Counts{0, 3, 3, 6});
  CHECK(plan(R"({"minAvailable":"0%"})") == Counts{3, 3, 0, 6});
  CHECK(plan(R"({"maxUnavailable":4})") == Counts{1, 3, 2, 6});
  CHECK(plan(R"({"maxUnavailable":"50%"})") == Counts{0, 3, 3, 6});
  CHECK(plan(R"({"maxUnavailable":10})") == Counts{3, 3, 0, 6});
}

TEST_CASE("a budget of pods whose controller counts no replicas allows nothing") {
  const std::vector<Value> pods = {pod("a", true)};
  const auto plan = plan_disruption(budget(R"({"maxUnavailable":1})"), pods, std::nullopt, kNow);
  CHECK(plan.status["disruptionsAllowed"].as_int() == 0);
  CHECK(plan.status["conditions"][0]["reason"].as_string() == "SyncFailed");
  CHECK(plan_disruption(budget(R"({"minAvailable":0})"), pods, std::nullopt, kNow)
            .status["disruptionsAllowed"]
            .as_int() == 1);
}

TEST_CASE("an evicted pod counts no more until it goes, or for two minutes") {
  const std::vector<Value> pods = {pod("a", true), pod("b", true)};
  const auto evicted = [&](std::chrono::seconds ago) {
    const Value status = Value::object(
        {{"disruptedPods", Value::object({{"a", format_time(kNow - ago)}, {"gone", "x"}})}});
    Value with = budget(R"({"minAvailable":1})");
    with.set("status", status);
    return plan_disruption(with, pods, 2, kNow);
  };
  const auto fresh = evicted(std::chrono::seconds(30));
  CHECK(counts(fresh.status) == Counts{0, 1, 1, 2});
  CHECK(fresh.status["disruptedPods"].size() == 1);
  CHECK(fresh.check_again.delay() == std::chrono::seconds(90));
  const auto stale = evicted(std::chrono::seconds(121));
  CHECK(counts(stale.status) == Counts{1, 2, 1, 2});
  CHECK_FALSE(stale.status.has("disruptedPods"));
  CHECK_FALSE(stale.check_again.delay());
}

}  // namespace
}  // namespace orch::controllers
