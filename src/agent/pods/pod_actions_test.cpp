// What is done next for a pod, by table.
#include "agent/pods/pod_actions.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/pods/pod_fixture.h"
#include "agent/pods/pod_status.h"
#include "agent/pods/qos.h"

namespace orch::pods {
namespace {

using Names = std::vector<std::string>;

TEST_CASE("a new pod gets a sandbox, then images, then containers", "[pod_actions]") {
  Observed observed = observed_with({});
  observed.sandbox_exists = observed.sandbox_ready = false;
  CHECK(pod_actions(pod_of(kOne), observed).create_sandbox);

  observed.setup_retry_at = kNow + seconds(4);
  auto actions = pod_actions(pod_of(kOne), observed);
  CHECK_FALSE(actions.create_sandbox);
  CHECK(actions.wake_at == kNow + seconds(4));

  CHECK(pod_actions(pod_of(kOne), observed_with({})).pull == Names{"c"});
  CHECK(pod_actions(pod_of(kOne), observed_with({{"c", fresh()}})).start == Names{"c"});
  CHECK(pod_actions(pod_of(kOne), observed_with({{"c", running()}})) == PodActions{});
}

TEST_CASE("init containers run one after the other", "[pod_actions]") {
  struct Row {
    std::map<std::string, ContainerObserved> containers;
    Names start;
  };
  const Row rows[] = {
      {{{"a", fresh()}, {"b", fresh()}, {"c", fresh()}}, {"a"}},
      {{{"a", running()}, {"b", fresh()}, {"c", fresh()}}, {}},
      {{{"a", ended(0)}, {"b", fresh()}, {"c", fresh()}}, {"b"}},
      {{{"a", ended(0)}, {"b", ended(0)}, {"c", fresh()}}, {"c"}},
      {{{"a", with_image(ended(1))}, {"b", fresh()}, {"c", fresh()}}, {"a"}},
      // Once the main container has begun, nobody asks for the others again.
      {{{"c", with_image(ended(1))}}, {"c"}},
  };
  for (const auto& row : rows) {
    CHECK(pod_actions(pod_of(kInit), observed_with(row.containers)).start == row.start);
  }
}

TEST_CASE("init containers run again in a new sandbox", "[pod_actions]") {
  auto a = with_image(ended(0)), b = with_image(ended(0)), c = with_image(ended(137));
  a.history.stale = b.history.stale = c.history.stale = true;
  CHECK(pod_actions(pod_of(kInit), observed_with({{"a", a}, {"b", b}, {"c", c}})).start ==
        Names{"a"});
  a.history.stale = false;
  CHECK(pod_actions(pod_of(kInit), observed_with({{"a", a}, {"b", b}, {"c", c}})).start ==
        Names{"b"});
}

TEST_CASE("sidecars start in their place and go on", "[pod_actions]") {
  const Value pod = pod_of(
      "{initContainers: [{name: s, image: i, restartPolicy: Always}, {name: a, image: i}], "
      "containers: [{name: c, image: i}]}");
  auto waiting = running();
  waiting.started = false;
  CHECK(pod_actions(pod, observed_with({{"s", fresh()}})).start == Names{"s"});
  CHECK(pod_actions(pod, observed_with({{"s", waiting}, {"a", fresh()}})).start == Names{});
  CHECK(pod_actions(pod, observed_with({{"s", running()}, {"a", fresh()}})).start == Names{"a"});
  CHECK(pod_actions(pod,
                    observed_with({{"s", with_image(ended(0))}, {"a", ended(0)}, {"c", running()}}))
            .start == Names{"s"});
}

TEST_CASE("restarts follow the policy", "[pod_actions]") {
  struct Row {
    const char* policy;
    int code;
    bool again;
  };
  const Row rows[] = {{"Always", 0, true},    {"Always", 1, true}, {"OnFailure", 0, false},
                      {"OnFailure", 1, true}, {"Never", 0, false}, {"Never", 1, false}};
  for (const auto& row : rows) {
    const Value pod = pod_of(std::string("{containers: [{name: c, image: i}], restartPolicy: ") +
                             row.policy + "}");
    const auto observed = observed_with({{"c", with_image(ended(row.code))}});
    INFO(row.policy << " " << row.code);
    CHECK((pod_actions(pod, observed).start == Names{"c"}) == row.again);
    CHECK((stop_reason(pod, observed) == Stop::finished) == !row.again);
    CHECK(pod_actions(pod, observed).remove_sandbox == !row.again);
  }
}

TEST_CASE("back-off doubles, is waited for, and is forgiven", "[pod_actions]") {
  ContainerHistory history;
  CHECK(next_backoff_s(history) == 0);
  history = ended(1).history;
  CHECK(restart_due(history) == kNow);  // The first restart comes at once.
  int64_t sequence[] = {10, 20, 40, 80, 160, 300, 300};
  for (const int64_t wanted : sequence) {
    history.backoff_s = next_backoff_s(history);
    CHECK(history.backoff_s == wanted);
    CHECK(restart_due(history) == kNow + seconds(wanted));
  }
  auto crashed = with_image(ended(1, 3));
  crashed.history.backoff_s = 10;
  const auto actions = pod_actions(pod_of(kOne), observed_with({{"c", crashed}}));
  CHECK(actions.start.empty());
  CHECK(actions.wake_at == kNow + seconds(7));

  auto steady = ended(1, 0, kBackoffResetS);
  steady.history.backoff_s = 300;
  CHECK(restart_due(steady.history) == kNow);
  CHECK(next_backoff_s(steady.history) == 10);
}

TEST_CASE("a changed image and a sick container are killed", "[pod_actions]") {
  auto actions = pod_actions(pod_of(kOne), observed_with({{"c", running("old")}}));
  REQUIRE(actions.kill.size() == 1);
  CHECK(actions.kill[0] == Kill{"c", 30, "Container c definition changed, will be restarted"});
  const Value pod = pod_of(
      "{containers: [{name: c, image: i, livenessProbe: {terminationGracePeriodSeconds: 5}}]}");
  auto sick = running();
  sick.unhealthy = "liveness";
  actions = pod_actions(pod, observed_with({{"c", sick}}));
  REQUIRE(actions.kill.size() == 1);
  CHECK(actions.kill[0] == Kill{"c", 5, "Container c failed liveness probe, will be restarted"});
  sick.stopping = true;
  CHECK(pod_actions(pod, observed_with({{"c", sick}})).kill.empty());
}

TEST_CASE("a deleted pod stops main containers first, then sidecars from the last",
          "[pod_actions]") {
  const Value pod = pod_of(
      "{initContainers: [{name: s, image: i, restartPolicy: Always}, {name: t, image: i, "
      "restartPolicy: Always}], containers: [{name: c, image: i}, {name: d, image: i}]}",
      "{deletionTimestamp: 2023-11-14T22:13:20Z, deletionGracePeriodSeconds: 7}");
  auto names = [&](std::map<std::string, ContainerObserved> containers) {
    Names killed;
    for (const auto& kill : pod_actions(pod, observed_with(std::move(containers))).kill) {
      CHECK(kill.grace_s == 7);
      killed.push_back(kill.container);
    }
    return killed;
  };
  CHECK(names({{"s", running()}, {"t", running()}, {"c", running()}, {"d", running()}}) ==
        Names{"c", "d"});
  CHECK(names({{"s", running()}, {"t", running()}, {"c", ended(0)}, {"d", running()}}) ==
        Names{"d"});
  CHECK(names({{"s", running()}, {"t", running()}, {"c", ended(0)}, {"d", ended(0)}}) ==
        Names{"t"});
  CHECK(names({{"s", running()}, {"t", ended(0)}, {"c", ended(0)}, {"d", ended(0)}}) == Names{"s"});
  auto observed = observed_with({});
  CHECK(pod_actions(pod, observed).remove_sandbox);
  observed.sandbox_exists = false;
  CHECK(pod_actions(pod, observed).all_stopped);
}

TEST_CASE("activeDeadlineSeconds ends a pod", "[pod_actions]") {
  Value pod = pod_of("{activeDeadlineSeconds: 30, containers: [{name: c, image: i}]}");
  pod["status"].set("startTime", format_time(kNow - seconds(20)));
  auto actions = pod_actions(pod, observed_with({{"c", running()}}));
  CHECK(actions.wake_at == kNow + seconds(10));
  pod["status"].set("startTime", format_time(kNow - seconds(30)));
  CHECK(pod_actions(pod, observed_with({{"c", running()}})).kill.size() == 1);
  const Value status = pod_status(pod, observed_with({{"c", ended(137)}}));
  CHECK(status["phase"].as_string() == "Failed");
  CHECK(status["reason"].as_string() == "DeadlineExceeded");
}

TEST_CASE("a pod that began at the end of all time has its deadline then", "[pod_actions]") {
  Value pod = pod_of("{activeDeadlineSeconds: 30, containers: [{name: c, image: i}]}");
  pod["status"].set("startTime", "9999-12-31T23:59:59Z");
  const auto actions = pod_actions(pod, observed_with({{"c", running()}}));
  CHECK(actions.kill.empty());
  CHECK(actions.wake_at == WallTime::max());
}

TEST_CASE("failed pulls are waited for", "[pod_actions]") {
  ContainerObserved seen;
  seen.image = {ImageState::Phase::failed, "ErrImagePull", "denied", kNow, kNow + seconds(10), 10};
  auto actions = pod_actions(pod_of(kOne), observed_with({{"c", seen}}));
  CHECK(actions.pull.empty());
  CHECK(actions.wake_at == kNow + seconds(kShowPullErrorS));
  seen.image.failed_at = kNow - seconds(10);
  seen.image.retry_at = kNow;
  CHECK(pod_actions(pod_of(kOne), observed_with({{"c", seen}})).pull == Names{"c"});
}

TEST_CASE("records survive a round through JSON", "[pod_record]") {
  PodRecord record;
  record.pod = pod_of(kOne);
  record.containers["c"] = ended(3).history;
  record.containers["c"].last = running().history.current;
  record.containers["c"].backoff_s = 40;
  record.containers["c"].stale = true;
  const auto text = api::to_json(record_to_json(record));
  const auto back = record_from_json(*api::parse_json(text));
  REQUIRE(back.ok());
  CHECK(*back == record);
}

TEST_CASE("an ephemeral container runs once, and the state of its pod does not depend on it",
          "[pod_actions]") {
  Value pod = pod_of("{initContainers: [{name: i, image: x}], containers: [{name: c, image: i}]}");
  auto observed = observed_with({{"i", running("x")}, {"e", fresh()}});
  CHECK(pod_actions(pod, observed).start.empty());
  pod["spec"].set("ephemeralContainers", *api::parse_yaml("[{name: e, image: x}]"));
  // Before the init containers are done, too.
  CHECK(pod_actions(pod, observed).start == std::vector<std::string>{"e"});

  observed = observed_with({{"i", ended(0)}, {"c", running()}, {"e", ended(1)}});
  CHECK(pod_actions(pod, observed).start.empty());
  Value status = pod_status(pod, observed);
  CHECK(status["phase"].as_string() == "Running");
  CHECK(status["containerStatuses"].size() == 1);
  const Value& own = status["ephemeralContainerStatuses"][0];
  CHECK(own.at("state.terminated.exitCode").as_int() == 1);
  CHECK_FALSE(own["ready"].as_bool());
  CHECK(condition(status, "Ready") == "True");

  // It ends with the pod, and says nothing of its success.
  pod["spec"].set("restartPolicy", "Never");
  observed = observed_with({{"i", ended(0)}, {"c", ended(0)}, {"e", running("x")}});
  const PodActions stop = pod_actions(pod, observed);
  REQUIRE(stop.kill.size() == 1);
  CHECK(stop.kill[0].container == "e");
  observed = observed_with({{"i", ended(0)}, {"c", ended(0)}, {"e", ended(137)}});
  CHECK(pod_status(pod, observed)["phase"].as_string() == "Succeeded");
}

TEST_CASE("an ephemeral container changes neither the class nor the cgroup of its pod",
          "[pod_actions]") {
  Value pod = pod_of(
      "{containers: [{name: c, resources: {limits: {cpu: 1, memory: 1Mi},"
      " requests: {cpu: 1, memory: 1Mi}}}]}");
  const std::string before = pod_cgroup(pod);
  pod["spec"].set("ephemeralContainers", *api::parse_yaml("[{name: e, image: x}]"));
  CHECK(pod_cgroup(pod) == before);
  CHECK(qos_class(pod) == "Guaranteed");
  CHECK(pod_cgroup_limits(pod).memory_bytes == 1 << 20);
}

}  // namespace
}  // namespace orch::pods
