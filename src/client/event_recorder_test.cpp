// The recorder against the fake cluster: one Event per thing that happened, repeats counted.
#include "client/event_recorder.h"

#include <catch2/catch_test_macros.hpp>

#include "client/fake_cluster.h"

namespace orch::client {
namespace {

using api::Value;

Value pod(const char* name) {
  return Value::object(
      {{"apiVersion", "v1"},
       {"kind", "Pod"},
       {"metadata", Value::object({{"namespace", "apps"}, {"name", name}, {"uid", "u"}})}});
}

TEST_CASE("an event names its object; a repeat is counted") {
  FakeClock clock;
  FakeCluster cluster(clock);
  EventRecorder recorder(cluster, clock, system_random(), {"kubelet", "node-1"});
  recorder.event(pod("a"), "Normal", "Pulled", "done", "spec.containers{c}");
  recorder.event(pod("a"), "Normal", "Pulled", "done", "spec.containers{c}");
  recorder.event(pod("b"), "Warning", "Failed", "no");
  recorder.flush();
  const auto events = cluster.all(api::resource::events());
  REQUIRE(events.size() == 2);
  const Value& first = events[0];
  CHECK(first.at("metadata.namespace").as_string() == "apps");
  CHECK(first.at("involvedObject.fieldPath").as_string() == "spec.containers{c}");
  CHECK(first.at("source.component").as_string() == "kubelet");
  CHECK(first.at("source.host").as_string() == "node-1");
  CHECK(first["count"].as_int() == 2);
  CHECK(events[1]["count"].as_int() == 1);
}

TEST_CASE("what happened in one second is listed in the order in which it happened") {
  FakeClock clock;
  FakeCluster cluster(clock);
  EventRecorder recorder(cluster, clock, system_random(), {"x", ""});
  std::vector<std::string> happened;
  for (char step = 'z'; step >= 'a'; --step) {
    happened.emplace_back(1, step);
    recorder.event(pod("a"), "Normal", happened.back(), "m");
    if (step % 2 == 0) clock.advance(std::chrono::microseconds(1));
  }
  recorder.flush();
  std::vector<std::string> listed;
  for (const Value& event : cluster.all(api::resource::events())) {
    listed.push_back(event["reason"].as_string());
  }
  CHECK(listed == happened);
}

TEST_CASE("an event that expired is written anew") {
  FakeClock clock;
  FakeCluster cluster(clock);
  EventRecorder recorder(cluster, clock, system_random(), {"x", ""});
  recorder.event(pod("a"), "Normal", "R", "m");
  recorder.flush();
  cluster.erase(api::resource::events(), key_of(cluster.all(api::resource::events())[0]));
  recorder.event(pod("a"), "Normal", "R", "m");
  recorder.flush();
  const auto events = cluster.all(api::resource::events());
  REQUIRE(events.size() == 1);
  CHECK(events[0]["count"].as_int() == 1);
}

}  // namespace
}  // namespace orch::client
