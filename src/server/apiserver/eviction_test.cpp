// What an eviction costs the budgets that the pod stands under.
#include "server/apiserver/eviction.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::apiserver {
namespace {

using api::Value;

constexpr WallTime kNow{std::chrono::hours{24 * 365 * 50}};

Value json(const std::string& text) {
  auto parsed = api::parse_json(text);
  REQUIRE(parsed.ok());
  return *std::move(parsed);
}

Value pod(const std::string& phase, bool ready) {
  return json(R"({"metadata":{"name":"p"},"status":{"phase":")" + phase +
              R"(","conditions":[{"type":"Ready","status":")" + (ready ? "True" : "False") +
              R"("}]}})");
}

Value budget(int allowed, int healthy, int observed = 1, const std::string& policy = "") {
  Value made = json(R"({"metadata":{"name":"b","generation":1},"spec":{},"status":{}})");
  made["status"].set("disruptionsAllowed", allowed);
  made["status"].set("currentHealthy", healthy);
  made["status"].set("desiredHealthy", 2);
  made["status"].set("observedGeneration", observed);
  if (!policy.empty()) made["spec"].set("unhealthyPodEvictionPolicy", policy);
  return made;
}

TEST_CASE("an eviction spends what its budget allows, and notes whom it took") {
  const auto spent = spend_budget(pod("Running", true), {budget(2, 4)}, kNow);
  REQUIRE(spent.ok());
  REQUIRE(spent->has_value());
  CHECK((**spent).at("status.disruptionsAllowed").as_int() == 1);
  CHECK((**spent).at("status.disruptedPods")["p"].as_string() == format_time(kNow));
}

TEST_CASE("a budget that allows nothing, or hasn't been counted, refuses with 429") {
  const auto refused = spend_budget(pod("Running", true), {budget(0, 2)}, kNow);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().code == 429);
  REQUIRE(refused.status().details.causes.size() == 1);
  CHECK(refused.status().details.causes[0].message ==
        "The disruption budget b needs 2 healthy pods and has 2 currently");
  const auto early = spend_budget(pod("Running", true), {budget(2, 4, 0)}, kNow);
  REQUIRE_FALSE(early.ok());
  CHECK(early.status().details.retry_after_s == 10);
  CHECK(spend_budget(pod("Running", true), {budget(1, 3), budget(1, 3)}, kNow).status().code ==
        500);
}

TEST_CASE("pods that serve nobody cost nothing") {
  const auto free = [](const Value& which, const Value& under) {
    const auto spent = spend_budget(which, {under}, kNow);
    return spent.ok() && !spent->has_value();
  };
  CHECK(free(pod("Running", false), budget(0, 2)));        // The others suffice.
  CHECK_FALSE(free(pod("Running", false), budget(0, 1)));  // They don't.
  CHECK(free(pod("Running", false), budget(0, 1, 1, "AlwaysAllow")));
  CHECK_FALSE(free(pod("Running", true), budget(0, 1, 1, "AlwaysAllow")));
  CHECK(spend_budget(pod("Running", true), {}, kNow).ok());
  CHECK(is_beyond_budgets(pod("Pending", false)));
  CHECK(is_beyond_budgets(pod("Succeeded", false)));
  CHECK_FALSE(is_beyond_budgets(pod("Running", false)));
}

}  // namespace
}  // namespace orch::apiserver
