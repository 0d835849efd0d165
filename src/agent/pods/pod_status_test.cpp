// What is told of a pod: phase, conditions, and what each container waits for.
#include "agent/pods/pod_status.h"

#include <catch2/catch_test_macros.hpp>

#include "agent/pods/pod_fixture.h"

namespace orch::pods {
namespace {

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

TEST_CASE("the end of an init container stays told while it runs again in a new sandbox",
          "[pod_status]") {
  const auto state = [](const char* policy, int code, const ContainerObserved& again) {
    Value pod = pod_of(kInit);
    pod["spec"].set("restartPolicy", policy);
    const Value before = pod_status(pod, observed_with({{"a", ended(code)}}));
    REQUIRE(before["initContainerStatuses"][0].has("state"));
    pod.set("status", before);
    return pod_status(pod, observed_with({{"a", again}}))["initContainerStatuses"][0]["state"];
  };
  CHECK(state("Never", 0, running())["terminated"]["exitCode"].as_int(-1) == 0);
  CHECK(state("OnFailure", 0, running())["terminated"]["exitCode"].as_int(-1) == 0);
  // Where the API takes it, it is told as it is.
  CHECK(state("OnFailure", 1, running()).has("running"));
  CHECK(state("Always", 0, running()).has("running"));
  CHECK(state("Never", 0, ended(3))["terminated"]["exitCode"].as_int() == 3);
}

TEST_CASE("a terminal phase never changes", "[pod_status]") {
  Value pod = pod_of(kOne);
  pod["status"].set("phase", "Failed");
  pod["status"].set("reason", "Evicted");
  const Value status = pod_status(pod, observed_with({{"c", running()}}));
  CHECK(status["phase"].as_string() == "Failed");
  CHECK(status["reason"].as_string() == "Evicted");
}

}  // namespace
}  // namespace orch::pods
