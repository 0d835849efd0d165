// Filters and scores by table, then the loop against the fake cluster.
#include "server/scheduler/scheduler.h"

#include <catch2/catch_test_macros.hpp>

#include "api/resources.h"
#include "client/fake_cluster.h"
#include "server/scheduler/score.h"

namespace orch::scheduler {
namespace {

using api::Value;
namespace resource = api::resource;
using namespace std::chrono_literals;

Value parse(std::string_view json) {
  auto value = api::parse_json(json);
  REQUIRE(value.ok());
  return *value;
}

Value node(const std::string& name, const std::string& cpu = "4", const std::string& extra = "{}") {
  Value object = parse(R"({"apiVersion":"v1","kind":"Node","metadata":{"labels":{"zone":"a"}},
    "status":{"allocatable":{"memory":"8Gi","pods":"10"}}})");
  object["metadata"].set("name", name);
  object["metadata"]["labels"].set("kubernetes.io/hostname", name);
  object["status"]["allocatable"].set("cpu", cpu);
  object.set("spec", parse(extra));
  return object;
}

Value pod(const std::string& name, const std::string& spec = "{}") {
  Value object = parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"default"}})");
  object["metadata"].set("name", name);
  object.set("spec", parse(spec));
  return object;
}

std::string asks(const std::string& cpu, const std::string& memory = "1Mi") {
  return R"({"containers":[{"resources":{"requests":{"cpu":")" + cpu + R"(","memory":")" + memory +
         R"("}}}]})";
}

TEST_CASE("each filter says its reason in Kubernetes' words") {
  struct Row {
    const char* pod_spec;
    const char* node_spec;
    std::vector<std::string> reasons;
  };
  const Row rows[] = {
      {"{}", "{}", {}},
      {"{}", R"({"unschedulable":true})", {"node(s) were unschedulable"}},
      {R"({"tolerations":[{"key":"node.kubernetes.io/unschedulable","operator":"Exists"}]})",
       R"({"unschedulable":true})",
       {}},
      {"{}",
       R"({"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]})",
       {"node(s) had untolerated taint {k: v}"}},
      {"{}", R"({"taints":[{"key":"k","value":"v","effect":"PreferNoSchedule"}]})", {}},
      {R"({"tolerations":[{"key":"k","value":"v"}]})",
       R"({"taints":[{"key":"k","value":"v","effect":"NoExecute"}]})",
       {}},
      {R"({"tolerations":[{"key":"k","value":"w"}]})",
       R"({"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]})",
       {"node(s) had untolerated taint {k: v}"}},
      {R"({"tolerations":[{"operator":"Exists","effect":"NoSchedule"}]})",
       R"({"taints":[{"key":"k","effect":"NoExecute"}]})",
       {"node(s) had untolerated taint {k: }"}},
      {R"({"nodeSelector":{"zone":"a"}})", "{}", {}},
      {R"({"nodeSelector":{"zone":"b"}})",
       "{}",
       {"node(s) didn't match Pod's node affinity/selector"}},
      {R"({"containers":[{"resources":{"requests":{"cpu":"5"}}}]})", "{}", {"Insufficient cpu"}},
      {R"({"containers":[{"resources":{"limits":{"cpu":"5"}}}]})", "{}", {"Insufficient cpu"}},
      {R"({"containers":[{"resources":{"requests":{"cpu":"4"}}}]})", "{}", {}},
      {R"({"containers":[{"resources":{"requests":{"cpu":"5","memory":"9Gi","x.io/gpu":"1"}}}]})",
       "{}",
       {"Insufficient cpu", "Insufficient memory", "Insufficient x.io/gpu"}},
  };
  for (const Row& row : rows) {
    INFO(row.pod_spec << " on " << row.node_spec);
    const Verdict verdict =
        check_node(parse_pod(pod("p", row.pod_spec)), parse_node(node("n", "4", row.node_spec)));
    CHECK(verdict.reasons == row.reasons);
  }
}

TEST_CASE("node affinity operators") {
  const NodeInfo info = parse_node([] {
    Value object = node("n");
    object["metadata"]["labels"].set("cores", "8");
    return object;
  }());
  const auto fits = [&](const std::string& term) {
    return check_node(parse_pod(pod("p", R"({"affinity":{"nodeAffinity":{)"
                                         R"("requiredDuringSchedulingIgnoredDuringExecution":)"
                                         R"({"nodeSelectorTerms":[)" +
                                             term + "]}}}}")),
                      info)
        .fits();
  };
  const auto label = [](const std::string& expression) {
    return "{\"matchExpressions\":[" + expression + "]}";
  };
  CHECK(fits(label(R"({"key":"zone","operator":"In","values":["a","b"]})")));
  CHECK_FALSE(fits(label(R"({"key":"zone","operator":"NotIn","values":["a"]})")));
  CHECK(fits(label(R"({"key":"none","operator":"NotIn","values":["a"]})")));
  CHECK(fits(label(R"({"key":"zone","operator":"Exists"})")));
  CHECK_FALSE(fits(label(R"({"key":"zone","operator":"DoesNotExist"})")));
  CHECK(fits(label(R"({"key":"cores","operator":"Gt","values":["7"]})")));
  CHECK_FALSE(fits(label(R"({"key":"cores","operator":"Lt","values":["8"]})")));
  CHECK(fits(R"({"matchFields":[{"key":"metadata.name","operator":"In","values":["n"]}]})"));
  CHECK_FALSE(fits(R"({"matchFields":[{"key":"metadata.name","operator":"In","values":["m"]}]})"));
  CHECK_FALSE(fits("{}"));  // An empty term matches nothing.
  CHECK_FALSE(fits(label(R"({"key":"zone","operator":"In","values":["a"]},
                            {"key":"cores","operator":"In","values":["9"]})")));
  CHECK(fits(label(R"({"key":"zone","operator":"In","values":["x"]})") + "," +
             label(R"({"key":"zone","operator":"In","values":["a"]})")));  // Terms are ORed.
}

TEST_CASE("requests: containers summed, init containers at their largest, sidecars in both") {
  const Amounts amounts = pod_requests(pod("p", R"({
    "containers":[{"resources":{"requests":{"cpu":"100m"}}},{"resources":{"requests":{"cpu":"1"}}}],
    "initContainers":[{"resources":{"requests":{"cpu":"500m"}},"restartPolicy":"Always"},
                      {"resources":{"requests":{"cpu":"2"}}}],
    "overhead":{"cpu":"10m"}})"));
  CHECK(amounts.cpu_milli == 2510);  // max(1100 + 500, 500 + 2000) + 10.
  CHECK(amounts.pods == 1);
}

TEST_CASE("requests whose sum is more than 64 bits count fit nowhere") {
  const std::string most = R"({"resources":{"requests":{"memory":"9223372036854775807"}}})";
  const Value greedy = pod("p", R"({"containers":[)" + most + "," + most + "," + most + "]}");
  NodeInfo info = parse_node(node("n"));
  CHECK(check_node(parse_pod(greedy), info).reasons ==
        std::vector<std::string>{"Insufficient memory"});
  // Nor is there more room where one was put by hand.
  info.requested.add(pod_requests(greedy));
  CHECK_FALSE(check_node(parse_pod(pod("q", asks("1"))), info).reasons.empty());
}

TEST_CASE("host ports collide by protocol and address") {
  CHECK(HostPort{"0.0.0.0", "TCP", 80}.collides({"10.0.0.1", "TCP", 80}));
  CHECK_FALSE(HostPort{"10.0.0.2", "TCP", 80}.collides({"10.0.0.1", "TCP", 80}));
  CHECK_FALSE(HostPort{"0.0.0.0", "UDP", 80}.collides({"0.0.0.0", "TCP", 80}));
}

TEST_CASE("the message counts reasons over nodes") {
  CHECK(render_unschedulable({}) == "no nodes available to schedule pods");
  CHECK(render_unschedulable({{{"Insufficient cpu"}, true}}) ==
        "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No "
        "preemption victims found for incoming pod.");
  CHECK(render_unschedulable({{{"node(s) were unschedulable"}, false},
                              {{"Insufficient cpu", "Insufficient memory"}, true},
                              {{"Insufficient cpu"}, true}}) ==
        "0/3 nodes are available: 1 Insufficient memory, 1 node(s) were unschedulable, 2 "
        "Insufficient cpu. preemption: 0/3 nodes are available: 1 Preemption is not helpful for "
        "scheduling, 2 No preemption victims found for incoming pod.");
}

TEST_CASE("scores prefer free nodes, fewer siblings, preferences") {
  NodeInfo busy = parse_node(node("busy")), idle = parse_node(node("idle"));
  busy.requested.cpu_milli = 3000;
  const PodInfo plain = parse_pod(pod("p", asks("100m")));
  CHECK(plan_best(plain, {&busy, &idle}, 0) == 1);
  PodInfo sibling = plain;
  sibling.owner_uid = "set";
  idle.pods_of_owner["set"] = 3;
  CHECK(plan_best(sibling, {&busy, &idle}, 0) == 0);
  CHECK(plan_best(plain, {&busy, &busy}, 1) == 1);  // Equals take turns.
}

struct World {
  FakeClock clock;
  client::FakeCluster cluster{clock};
  client::FakeEvents events;
  Scheduler scheduler{cluster, cluster, events, clock};

  void add(const api::Resource& kind, const Value& object) {
    REQUIRE(cluster.create(kind, object).ok());
  }
  std::string node_of(const std::string& name) {
    const auto found = static_cast<client::Api&>(cluster).get(resource::pods(), {"default", name});
    return found.ok() ? found->at("spec.nodeName").as_string() : "gone";
  }
  Value condition_of(const std::string& name) {
    const auto found = static_cast<client::Api&>(cluster).get(resource::pods(), {"default", name});
    return found->at("status.conditions")[0];
  }
};

TEST_CASE("pods are bound and their owners' pods spread") {
  World world;
  world.add(resource::nodes(), node("a"));
  world.add(resource::nodes(), node("b"));
  world.scheduler.watch();
  for (const char* name : {"p1", "p2", "p3", "p4"}) {
    Value object = pod(name, asks("500m"));
    object["metadata"].set("ownerReferences",
                           parse(R"([{"uid":"set","controller":true,"kind":"ReplicaSet"}])"));
    world.add(resource::pods(), object);
  }
  world.scheduler.run_pending();
  int on_a = 0;
  for (const char* name : {"p1", "p2", "p3", "p4"}) {
    CHECK((world.node_of(name) == "a" || world.node_of(name) == "b"));
    on_a += world.node_of(name) == "a";
  }
  CHECK(on_a == 2);
  CHECK(world.events.told()[0] ==
        "Normal Scheduled p1: Successfully assigned default/p1 to " + world.node_of("p1"));
}

TEST_CASE("a pod that fits nowhere says why and waits for room, without polling") {
  World world;
  world.add(resource::nodes(), node("a", "1"));
  world.scheduler.watch();
  world.add(resource::pods(), pod("big", asks("800m")));
  world.scheduler.run_pending();
  world.add(resource::pods(), pod("late", asks("800m")));
  world.scheduler.run_pending();
  CHECK(world.node_of("big") == "a");
  CHECK(world.node_of("late").empty());
  CHECK(world.condition_of("late")["reason"].as_string() == "Unschedulable");
  const SchedulerMetrics metrics = world.scheduler.metrics();
  CHECK(metrics.unschedulable == 1);
  CHECK(metrics.active == 0);
  CHECK(metrics.attempts.scheduled.total() == 1);
  CHECK(metrics.attempts.unschedulable.total() == 1);
  CHECK(metrics.attempts.error.total() == 0);
  CHECK(world.condition_of("late")["status"].as_string() == "False");
  const auto told = world.events.told();
  CHECK(told.back().starts_with(
      "Warning FailedScheduling late: 0/1 nodes are available: 1 Insufficient cpu. preemption: "));
  world.cluster.forget_writes();
  world.scheduler.run_pending();
  CHECK(world.cluster.writes().empty());
  world.cluster.erase(resource::pods(), {"default", "big"});
  world.scheduler.run_pending();
  CHECK(world.node_of("late") == "a");
}

TEST_CASE("a new node, a removed taint, a heartbeat") {
  World world;
  world.add(resource::nodes(), node("a", "4", R"({"unschedulable":true})"));
  world.scheduler.watch();
  world.add(resource::pods(), pod("p"));
  world.scheduler.run_pending();
  CHECK(world.node_of("p").empty());
  world.cluster.forget_writes();
  world.cluster.change(resource::nodes(), {"", "a"},
                       [](Value* n) { (*n)["status"].set("heartbeat", "now"); });
  world.scheduler.run_pending();
  CHECK(world.cluster.writes().empty());
  world.cluster.change(resource::nodes(), {"", "a"},
                       [](Value* n) { (*n)["spec"].remove("unschedulable"); });
  world.scheduler.run_pending();
  CHECK(world.node_of("p") == "a");
}

TEST_CASE("assumed pods count before the cache shows them") {
  World world;
  world.add(resource::nodes(), node("a", "1"));
  world.scheduler.watch();
  world.add(resource::pods(), pod("p1", asks("600m")));
  world.add(resource::pods(), pod("p2", asks("600m")));
  world.cluster.hold();
  world.scheduler.run_pending();
  CHECK(world.node_of("p1") == "a");
  CHECK(world.node_of("p2").empty());
  world.cluster.release();
  world.scheduler.run_pending();
  CHECK(world.node_of("p2").empty());
}

TEST_CASE("a binding that fails is taken back and tried again after a while") {
  World world;
  world.add(resource::nodes(), node("a", "1"));
  world.scheduler.watch();
  int refusals = 1;
  world.cluster.fail_calls([&](const std::string& call) -> std::optional<Status> {
    if (!call.starts_with("binding") || refusals-- <= 0) return std::nullopt;
    return service_unavailable("busy");
  });
  world.add(resource::pods(), pod("p", asks("600m")));
  world.scheduler.run_pending();
  CHECK(world.node_of("p").empty());
  world.scheduler.run_pending();
  CHECK(world.node_of("p").empty());
  world.clock.advance(1s);
  world.scheduler.run_pending();
  CHECK(world.node_of("p") == "a");
}

TEST_CASE("gates hold a pod, other schedulers' pods are left alone") {
  World world;
  world.add(resource::nodes(), node("a"));
  world.scheduler.watch();
  world.add(resource::pods(), pod("gated", R"({"schedulingGates":[{"name":"x"}]})"));
  world.add(resource::pods(), pod("theirs", R"({"schedulerName":"other"})"));
  world.scheduler.run_pending();
  CHECK(world.node_of("gated").empty());
  CHECK(world.node_of("theirs").empty());
  CHECK(world.condition_of("gated")["reason"].as_string() == "SchedulingGated");
  world.cluster.change(resource::pods(), {"default", "gated"},
                       [](Value* p) { (*p)["spec"].remove("schedulingGates"); });
  world.scheduler.run_pending();
  CHECK(world.node_of("gated") == "a");
}

TEST_CASE("higher priority first") {
  World world;
  world.add(resource::nodes(), node("a", "1"));
  world.add(resource::pods(), pod("low", asks("600m")));
  Value high = pod("high", asks("600m"));
  high["spec"].set("priority", 1000);
  world.add(resource::pods(), high);
  world.scheduler.watch();
  world.scheduler.run_pending();
  CHECK(world.node_of("high") == "a");
  CHECK(world.node_of("low").empty());
}

TEST_CASE("threads: start binds what comes, stop ends") {
  FakeClock clock;
  client::FakeCluster cluster(clock);
  client::FakeEvents events;
  Scheduler scheduler(cluster, cluster, events, clock);
  REQUIRE(cluster.create(resource::nodes(), node("a")).ok());
  std::mutex mutex;
  std::condition_variable changed;
  int bound = 0;
  const auto watch = static_cast<client::Cache&>(cluster).subscribe(
      resource::pods(), [&](const client::Change& change) {
        const std::lock_guard lock(mutex);
        bound += !change.object().at("spec.nodeName").empty();
        changed.notify_all();
      });
  scheduler.start();
  for (const char* name : {"p1", "p2", "p3"})
    REQUIRE(cluster.create(resource::pods(), pod(name)).ok());
  std::unique_lock lock(mutex);
  CHECK(changed.wait_for(lock, 10s, [&] { return bound == 3; }));
  lock.unlock();
  scheduler.stop();
}

}  // namespace
}  // namespace orch::scheduler
