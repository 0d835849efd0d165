// Many writers at once: races are settled so that no change is lost and no address given twice.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <set>
#include <thread>

#include "server/apiserver/test_server.h"

namespace orch::apiserver {
namespace {

constexpr int kWriters = 4;
constexpr int kEach = 25;

void run_writers(const std::function<void(int)>& write) {
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) writers.emplace_back(write, i);
  for (std::thread& writer : writers) writer.join();
}

TEST_CASE("patches that race on one object are all kept") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("a")).code == 201);
  const auto api = server.server().api("tester");
  std::atomic<int> refused{0};
  run_writers([&](int writer) {
    for (int i = 0; i < kEach; ++i) {
      const std::string key = "k" + std::to_string(writer) + "-" + std::to_string(i);
      const api::Value patch = api::Value::object({{"data", api::Value::object({{key, "1"}})}});
      while (true) {
        const auto done = api->patch(api::resource::config_maps(), {"default", "a"},
                                     client::PatchType::merge, patch);
        if (done) break;
        // Only ever because others were faster, five times over.
        if (!done.status().conflict()) ++refused;
        if (!done.status().conflict()) return;
      }
    }
  });
  CHECK(refused == 0);
  CHECK(server.get(std::string(kConfigMaps) + "/a").json["data"].size() == 1 + kWriters * kEach);
}

TEST_CASE("what ended for good can't be said to go on") {
  TestServer server;
  server.add_account();
  const auto pod = [&](const std::string& name, const std::string& policy) {
    const std::string spec = R"(,"nodeName":"n","restartPolicy":")" + policy + "\"";
    REQUIRE(server.post(kPods, TestServer::pod(name, "", spec)).code == 201);
  };
  const auto tell = [&](const std::string& name, const std::string& list,
                        const std::string& state) {
    return server.call("PATCH", std::string(kPods) + "/" + name + "/status",
                       R"({"status":{")" + list +
                           R"(":[{"name":"c","image":"i","imageID":"","ready":)"
                           R"(false,"restartCount":0,"state":)" +
                           state + "}]}}",
                       "application/merge-patch+json");
  };
  const std::string failed = R"({"terminated":{"exitCode":1}})";
  const std::string done = R"({"terminated":{"exitCode":0}})";
  const std::string running = R"({"running":{},"terminated":null})";
  const std::string waiting = R"({"waiting":{"reason":"x"},"terminated":null})";
  struct Row {
    const char *name, *policy, *list;
    std::string before, after;
    bool allowed;
  };
  const Row rows[] = {
      {"a", "Never", "containerStatuses", failed, running, false},
      {"b", "Never", "containerStatuses", done, waiting, false},
      {"c", "OnFailure", "containerStatuses", failed, running, true},
      {"d", "OnFailure", "containerStatuses", done, running, false},
      {"e", "Always", "containerStatuses", done, running, true},
      {"f", "Always", "ephemeralContainerStatuses", done, running, false},
      {"g", "Never", "containerStatuses", done, failed, true},
      {"h", "Never", "containerStatuses", running, failed, true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    pod(row.name, row.policy);
    REQUIRE(tell(row.name, row.list, row.before).code == 200);
    const auto answer = tell(row.name, row.list, row.after);
    CHECK(answer.code == (row.allowed ? 200 : 422));
    if (row.allowed) continue;
    CHECK(answer.message().ends_with("status." + std::string(row.list) +
                                     "[0].state: Forbidden: may not be transitioned to "
                                     "non-terminated state"));
  }
}

TEST_CASE("of two updates from one state, one loses") {
  TestServer server;
  REQUIRE(server.post(kConfigMaps, TestServer::config("a")).code == 201);
  const auto api = server.server().api("tester");
  std::atomic<int> won{0}, lost{0};
  const auto state = api->get(api::resource::config_maps(), {"default", "a"});
  run_writers([&](int writer) {
    api::Value mine = *state;
    mine["data"].set("writer", std::to_string(writer));
    const auto done = api->update(api::resource::config_maps(), mine);
    ++(done ? won : lost);
  });
  CHECK(won == 1);
  CHECK(lost == kWriters - 1);
}

TEST_CASE("Services that are made at once never share an address or a port") {
  TestServer server;
  const auto api = server.server().api("tester");
  run_writers([&](int writer) {
    for (int i = 0; i < kEach; ++i) {
      const api::Value metadata =
          api::Value::object({{"name", "s" + std::to_string(writer) + "-" + std::to_string(i)},
                              {"namespace", "default"}});
      const api::Value port = api::Value::object({{"port", 80}});
      const api::Value spec =
          api::Value::object({{"type", "NodePort"}, {"ports", api::Value::array({port})}});
      static_cast<void>(api->create(api::resource::services(),
                                    api::Value::object({{"metadata", metadata}, {"spec", spec}})));
    }
  });
  std::set<std::string> addresses;
  std::set<int64_t> ports;
  const auto list = server.get(kServices);
  for (const api::Value& service : list.json["items"].items()) {
    addresses.insert(service.at("spec.clusterIP").as_string());
    const int64_t port = service["spec"]["ports"][0]["nodePort"].as_int();
    if (port) ports.insert(port);
  }
  CHECK(addresses.size() == kWriters * kEach + 1);
  CHECK(ports.size() == kWriters * kEach);
}

}  // namespace
}  // namespace orch::apiserver
