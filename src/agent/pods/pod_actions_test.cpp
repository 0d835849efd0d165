#include "agent/pods/pod_actions.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/pods/pod_status.h"
#include "agent/pods/qos.h"

namespace orch::pods {
namespace {

using api::Value;
using std::chrono::seconds;

const WallTime kNow{seconds{1'700'000'000}};

Value pod_of(const std::string& spec, const std::string& metadata = "{}") {
  Value pod = Value::object({{"apiVersion", "v1"}, {"kind", "Pod"}});
  pod.set("metadata", *api::parse_yaml(metadata));
  pod["metadata"].set("name", "p");
  pod["metadata"].set("namespace", "ns");
  pod["metadata"].set("uid", "u");
  pod.set("spec", *api::parse_yaml(spec));
  return pod;
}

// A container that runs since a minute, or has ended just now.
ContainerObserved running(const std::string& image = "i") {
  ContainerObserved seen;
  ContainerRecord record;
  record.id = "u_c_0";
  record.image = image;
  record.started_at = kNow - seconds(60);
  seen.history.current = record;
  seen.history.next_attempt = 1;
  seen.started = seen.ready = true;
  return seen;
}
ContainerObserved ended(int code, int64_t ago_s = 0, int64_t ran_s = 5) {
  ContainerObserved seen = running();
  auto& record = *seen.history.current;
  record.finished = true;
  record.exit_code = code;
  record.reason = code == 0 ? "Completed" : "Error";
  record.finished_at = kNow - seconds(ago_s);
  record.started_at = record.finished_at - seconds(ran_s);
  seen.started = seen.ready = false;
  return seen;
}
ContainerObserved fresh() {
  ContainerObserved seen;
  seen.image.phase = ImageState::Phase::ready;
  return seen;
}
ContainerObserved with_image(ContainerObserved seen) {
  seen.image.phase = ImageState::Phase::ready;
  return seen;
}

Observed observed_with(std::map<std::string, ContainerObserved> containers) {
  Observed observed;
  observed.now = kNow;
  observed.sandbox_exists = observed.sandbox_ready = true;
  observed.pod_ip = "10.42.0.5";
  observed.host_ip = "10.0.0.1";
  observed.containers = std::move(containers);
  return observed;
}

using Names = std::vector<std::string>;

const char* kOne = "containers: [{name: c, image: i}]";
const char* kInit =
    "{initContainers: [{name: a, image: i}, {name: b, image: i}], containers: [{name: c, image: "
    "i}]}";

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

// ---- pod_status ----

std::string condition(const Value& status, const std::string& type, const char* member = "status") {
  for (const auto& each : status["conditions"].items()) {
    if (each["type"].as_string() == type) return each[member].as_string();
  }
  return "";
}

TEST_CASE("phases", "[pod_status]") {
  struct Row {
    const char* spec;
    std::map<std::string, ContainerObserved> containers;
    const char* phase;
  };
  const char* never = "{restartPolicy: Never, containers: [{name: c, image: i}]}";
  const char* two =
      "{restartPolicy: Never, containers: [{name: c, image: i}, {name: d, image: i}]}";
  const Row rows[] = {
      {kOne, {}, "Pending"},
      {kOne, {{"c", running()}}, "Running"},
      {kOne, {{"c", ended(1)}}, "Running"},
      {kInit, {{"a", running()}}, "Pending"},
      {kInit, {{"a", ended(0)}, {"b", ended(0)}}, "Pending"},
      {never, {{"c", ended(0)}}, "Succeeded"},
      {never, {{"c", ended(2)}}, "Failed"},
      {two, {{"c", ended(2)}, {"d", running()}}, "Running"},
      {two, {{"c", ended(2)}, {"d", ended(0)}}, "Failed"},
  };
  for (const auto& row : rows) {
    INFO(row.spec << " wants " << row.phase);
    CHECK(pod_status(pod_of(row.spec), observed_with(row.containers))["phase"].as_string() ==
          row.phase);
  }
}

TEST_CASE("conditions keep the time of their last change", "[pod_status]") {
  Value pod = pod_of(kOne);
  pod.set("status", pod_status(pod, observed_with({})));
  CHECK(condition(pod["status"], "Ready") == "False");
  CHECK(condition(pod["status"], "Ready", "message") == "containers with unready status: [c]");
  CHECK(condition(pod["status"], "PodScheduled") == "True");
  auto later = observed_with({{"c", running()}});
  later.now = kNow + seconds(5);
  const Value status = pod_status(pod, later);
  CHECK(condition(status, "Ready") == "True");
  CHECK(condition(status, "Ready", "lastTransitionTime") == format_time(later.now));
  CHECK(condition(status, "Initialized", "lastTransitionTime") == format_time(kNow));
  CHECK(status["startTime"].as_string() == format_time(kNow));
  pod.set("status", status);
  CHECK(pod_status(pod, later) == status);  // Nothing changed: nothing to write.
}

TEST_CASE("readiness gates hold a pod back", "[pod_status]") {
  Value pod = pod_of("{containers: [{name: c, image: i}], readinessGates: [{conditionType: x/y}]}");
  CHECK(condition(pod_status(pod, observed_with({{"c", running()}})), "Ready", "reason") ==
        "ReadinessGatesNotReady");
  pod.set("status", *api::parse_yaml("{conditions: [{type: x/y, status: 'True'}]}"));
  const Value status = pod_status(pod, observed_with({{"c", running()}}));
  CHECK(condition(status, "Ready") == "True");
  CHECK(condition(status, "x/y") == "True");
}

TEST_CASE("what a container waits for", "[pod_status]") {
  const auto first = [](const Value& pod, ContainerObserved seen) {
    return pod_status(pod, observed_with({{"c", std::move(seen)}}))["containerStatuses"][0];
  };
  const Value pod = pod_of(kOne);
  const auto reason = [](const Value& status) {
    return status["state"]["waiting"]["reason"].as_string();
  };
  CHECK(reason(first(pod, {})) == "ContainerCreating");
  CHECK(reason(first(pod_of(kInit), {})) == "PodInitializing");

  auto crashed = ended(3, 1);
  crashed.history.backoff_s = 80;
  const Value crash = first(pod, crashed);
  CHECK(reason(crash) == "CrashLoopBackOff");
  CHECK(crash["state"]["waiting"]["message"].as_string() ==
        "back-off 1m20s restarting failed container=c pod=p_ns(u)");
  CHECK(crash["lastState"]["terminated"]["exitCode"].as_int() == 3);

  ContainerObserved pull;
  pull.image = {ImageState::Phase::failed, "ErrImagePull", "denied", kNow, kNow + seconds(10), 10};
  CHECK(reason(first(pod, pull)) == "ErrImagePull");
  pull.image.failed_at = kNow - seconds(5);
  const Value back_off = first(pod, pull);
  CHECK(reason(back_off) == "ImagePullBackOff");
  CHECK(back_off["state"]["waiting"]["message"].as_string() ==
        "Back-off pulling image \"i\": ErrImagePull: denied");

  ContainerObserved config;
  config.failure = StartFailure{"CreateContainerConfigError", "configmap \"x\" not found", kNow};
  CHECK(reason(first(pod, config)) == "CreateContainerConfigError");
}

TEST_CASE("a terminal phase never changes", "[pod_status]") {
  Value pod = pod_of(kOne);
  pod["status"].set("phase", "Failed");
  pod["status"].set("reason", "Evicted");
  const Value status = pod_status(pod, observed_with({{"c", running()}}));
  CHECK(status["phase"].as_string() == "Failed");
  CHECK(status["reason"].as_string() == "Evicted");
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
