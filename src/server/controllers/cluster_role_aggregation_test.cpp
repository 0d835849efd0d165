// Which rules an aggregated ClusterRole gets.
#include "server/controllers/cluster_role_aggregation.h"

#include <catch2/catch_test_macros.hpp>

namespace orch::controllers {
namespace {

api::Value json(const char* text) {
  auto parsed = api::parse_json(text);
  REQUIRE(parsed.ok());
  return *std::move(parsed);
}

TEST_CASE("an aggregated role holds the rules of all that its selectors match, each once") {
  const api::Value whole = json(R"({"metadata":{"name":"whole","labels":{"to":"whole"}},
      "rules":[{"verbs":["own"]}],
      "aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"to":"whole"}},
        {"matchExpressions":[{"key":"also","operator":"Exists"}]}]}})");
  const std::vector<api::Value> roles = {
      whole, json(R"({"metadata":{"name":"b","labels":{"to":"whole"}},"rules":[{"verbs":["x"]},
               {"verbs":["y"]}]})"),
      json(R"({"metadata":{"name":"a","labels":{"also":""}},"rules":[{"verbs":["z"]},
               {"verbs":["x"]}]})"),
      json(R"({"metadata":{"name":"c","labels":{"to":"other"}},"rules":[{"verbs":["never"]}]})")};
  CHECK(api::to_json(plan_aggregated_rules(whole, roles)) ==
        R"([{"verbs":["z"]},{"verbs":["x"]},{"verbs":["y"]}])");
  CHECK(plan_aggregated_rules(whole, {whole}).empty());
}

}  // namespace
}  // namespace orch::controllers
