// Quotas hold whatever comes at once.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "api/resources.h"
#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

constexpr const char* kQuotas = "/api/v1/namespaces/default/resourcequotas";

std::string quota(const std::string& spec) {
  return R"({"metadata":{"name":"q"},"spec":{)" + spec + "}}";
}

TEST_CASE("a quota isn't overshot by creates that come at once") {
  TestServer server;
  server.add_account();
  REQUIRE(server.post(kQuotas, quota(R"("hard":{"pods":"10","requests.cpu":"700m"})")).code == 201);
  std::atomic<int> made{0}, refused{0};
  const auto create_some = [&](int thread) {
    const auto api = server.server().api("system:test");
    for (int i = 0; i < 8; ++i) {
      const std::string name = "p-" + std::to_string(thread) + "-" + std::to_string(i);
      const auto pod = api::parse_json(R"({"metadata":{"namespace":"default","name":")" + name +
                                       R"("},"spec":{"containers":[{"name":"c","image":"i",
             "resources":{"requests":{"cpu":"100m"}}}]}})");
      const auto created = api->create(api::resource::pods(), *pod);
      (created.ok() ? made : refused) += 1;
      if (created.ok()) continue;
      if (created.status().code != 403) FAIL(created.status().message);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) threads.emplace_back(create_some, i);
  for (std::thread& thread : threads) thread.join();
  CHECK(made == 7);
  CHECK(refused == 16 * 8 - 7);
}

TEST_CASE("what a quota refuses is said in Kubernetes' words, and what goes makes room") {
  TestServer server;
  server.add_account();
  REQUIRE(server.post(kQuotas, quota(R"("hard":{"pods":"1","limits.cpu":"2"})")).code == 201);
  const auto pod = [](const char* name, const char* limit) {
    return std::string(R"({"metadata":{"name":")") + name +
           R"("},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{)" + limit +
           "}}}]}}";
  };
  CHECK(server.post(kPods, pod("a", "")).message() ==
        "pods \"a\" is forbidden: failed quota: q: must specify limits.cpu for: c");
  CHECK(server.post(kPods, pod("a", R"("cpu":"3")")).message() ==
        "pods \"a\" is forbidden: exceeded quota: q, requested: limits.cpu=3, used: limits.cpu=0, "
        "limited: limits.cpu=2");
  CHECK(server.post(kPods, pod("a", R"("cpu":"1")")).code == 201);
  CHECK(server.post(kPods, pod("b", R"("cpu":"1")")).message() ==
        "pods \"b\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: "
        "pods=1");
  REQUIRE(server.call("DELETE", std::string(kPods) + "/a", R"({"gracePeriodSeconds":0})").code ==
          200);
  CHECK(server.post(kPods, pod("b", R"("cpu":"1")")).code == 201);
}

TEST_CASE("a quota on numbers of objects counts any kind, and growth counts, too") {
  TestServer server;
  REQUIRE(server
              .post(kQuotas, quota(R"("hard":{"count/configmaps":"1","configmaps":"5",
                                      "services.nodeports":"1"})"))
              .code == 201);
  const char* maps = "/api/v1/namespaces/default/configmaps";
  CHECK(server.post(maps, R"({"metadata":{"name":"a"}})").code == 201);
  CHECK(server.post(maps, R"({"metadata":{"name":"b"}})").code == 403);
  const char* services = "/api/v1/namespaces/default/services";
  CHECK(server
            .post(services, R"({"metadata":{"name":"s"},"spec":{"ports":[{"port":1,"name":"a"},
                                 {"port":2,"name":"b"}]}})")
            .code == 201);
  const auto grown = server.call("PATCH", std::string(services) + "/s",
                                 R"({"spec":{"type":"NodePort"}})", "application/merge-patch+json");
  CHECK(grown.message() ==
        "services \"s\" is forbidden: exceeded quota: q, requested: services.nodeports=2, used: "
        "services.nodeports=0, limited: services.nodeports=1");
}

}  // namespace
}  // namespace orch::apiserver
