// A decision looks up, it does not search: its cost stays the same when bindings of others come.
#include <catch2/benchmark/catch_benchmark.hpp>
#include <catch2/catch_test_macros.hpp>

#include "base/clock.h"
#include "server/rbac/policy.h"

namespace orch::rbac {
namespace {

const api::Resource& resource(const char* plural) {
  const auto* found = api::Schema::builtin().find("rbac.authorization.k8s.io", "v1", plural);
  REQUIRE(found != nullptr);
  return *found;
}

api::Value json(const std::string& text) {
  auto value = api::parse_json(text);
  REQUIRE(value.ok());
  return *std::move(value);
}

// Users 0 ... n-1, each with a RoleBinding in a namespace of his own and one in "shared".
void bind_users(int n, Policy* policy) {
  policy->take(resource("clusterroles"), json(R"({"metadata":{"name":"r"},"rules":[
                 {"verbs":["get"],"apiGroups":[""],"resources":["pods"]}]})"));
  for (int i = 0; i < n; ++i) {
    const std::string user = std::to_string(i);
    for (const std::string& ns : {"of-" + user, std::string("shared")}) {
      policy->take(resource("rolebindings"),
                   json(R"({"metadata":{"namespace":")" + ns + R"(","name":"b)" + user +
                        R"("},"roleRef":{"kind":"ClusterRole","name":"r"},
                        "subjects":[{"kind":"User","name":")" +
                        user + "\"}]}"));
    }
  }
}

Action get_pod(std::string_view ns) {
  Action action;
  action.verb = "get";
  action.resource = "pods";
  action.ns = ns;
  action.name = "p";
  return action;
}

std::chrono::nanoseconds cost_of(const Policy& policy) {
  const std::vector<std::string> groups = {"system:authenticated"};
  auto best = std::chrono::nanoseconds::max();
  for (int round = 0; round < 20; ++round) {  // The least of several: others use this machine, too.
    const auto begin = system_clock().monotonic();
    for (int i = 0; i < 500; ++i) {
      REQUIRE(policy.decide({"7", groups}, get_pod("shared")).allowed);
      REQUIRE_FALSE(policy.decide({"7", groups}, get_pod("of-8")).allowed);
    }
    best = std::min<std::chrono::nanoseconds>(best, system_clock().monotonic() - begin);
  }
  return best / 1000;
}

TEST_CASE("a decision costs the same with 20 and with 20,000 bindings", "[rbac]") {
  Policy few, many;
  bind_users(10, &few);
  bind_users(10'000, &many);
  const auto small = cost_of(few), large = cost_of(many);
  INFO(small.count() << " ns with 20 bindings, " << large.count() << " ns with 20,000");
  CHECK(large <
        4 * small + std::chrono::microseconds(2));  // A search would be 1,000 times as dear.
}

TEST_CASE("decisions", "[!benchmark]") {
  for (const int n : {10, 10'000}) {
    Policy policy;
    bind_users(n, &policy);
    const std::vector<std::string> groups = {"system:authenticated"};
    BENCHMARK("one of " + std::to_string(2 * n) + " bindings") {
      return policy.decide({"7", groups}, get_pod("shared"));
    };
  }
}

}  // namespace
}  // namespace orch::rbac
