// All controllers together against the fake cluster, with a kubelet and a scheduler played by the
// test: rollouts, garbage, namespaces, nodes; and every story again with the process stopped
// between any two writes.
#include "server/controllers/controllers.h"

#include <catch2/catch_test_macros.hpp>

#include "api/resources.h"
#include "client/fake_cluster.h"
#include "server/controllers/deployment.h"
#include "server/controllers/node_lifecycle.h"
#include "server/controllers/objects.h"

namespace orch::controllers {
namespace {

using api::Value;
using client::ObjectKey;
namespace resource = api::resource;
using namespace std::chrono_literals;

Value parse(std::string_view json) {
  auto value = api::parse_json(json);
  REQUIRE(value.ok());
  return *value;
}

struct World {
  FakeClock clock;
  client::FakeCluster cluster{clock};
  client::FakeEvents events;
  std::unique_ptr<client::LoopRunner> runner;

  World() {
    restart();
    add(resource::nodes(), parse(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"node"},
      "spec":{"podCIDR":"10.42.0.0/24"},
      "status":{"conditions":[{"type":"Ready","status":"True","lastHeartbeatTime":"x"}]}})"));
    add(resource::leases(), parse(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease",
      "metadata":{"name":"node","namespace":"kube-node-lease"},"spec":{}})"));
  }

  // Time passes; the node keeps its lease.
  void pass(std::chrono::seconds time) {
    clock.advance(time);
    cluster.change(resource::leases(), {"kube-node-lease", "node"}, [&](Value* lease) {
      (*lease)["spec"].set("renewTime", format_micro_time(clock.now()));
    });
  }

  // New controllers that know nothing, as after a crash.
  void restart() {
    runner.reset();
    runner = std::make_unique<client::LoopRunner>(cluster, cluster, clock);
    const ControllerWorld world{runner->api(), cluster, api::Schema::builtin(), events, clock};
    for (auto& controller : make_controllers(
             world,
             {.ca = {"CA", ""}, .token_key = "", .cluster_cidr = *parse_cidr("10.42.0.0/16")}))
      runner->add(std::move(controller));
    runner->start(0);
  }
  client::Api& api() { return cluster; }
  client::Cache& cache() { return cluster; }
  void add(const api::Resource& kind, const Value& object) {
    const auto created = cluster.create(kind, object);
    REQUIRE(created.ok());
  }
  Value get(const api::Resource& kind, const ObjectKey& key) {
    const auto found = api().get(kind, key);
    return found.ok() ? *found : Value();
  }
  size_t count(const api::Resource& kind) { return cluster.all(kind).size(); }

  // Pods get an address and become ready; pods that are being deleted end.
  bool play_kubelet() {
    bool any = false;
    for (const Value& pod : cluster.all(resource::pods())) {
      const ObjectKey key = client::key_of(pod);
      if (is_deleting(pod)) {
        cluster.erase(resource::pods(), key);
        any = true;
      } else if (!is_ready(pod)) {
        cluster.change(resource::pods(), key, [&](Value* p) {
          (*p)["spec"].set("nodeName", "node");
          (*p)["status"] = Value::object(
              {{"phase", "Running"},
               {"podIP", "10.42.0." + std::to_string(++last_ip)},
               {"conditions", Value::array({Value::object(
                                  {{"type", "Ready"},
                                   {"status", "True"},
                                   {"lastTransitionTime", format_time(clock.now())}})})}});
        });
        any = true;
      }
    }
    return any;
  }
  // Until nobody has anything to do.
  void settle() {
    for (int i = 0; i < 200; ++i) {
      pass(2s);
      if (runner->run_pending() == 0 && !play_kubelet()) return;
    }
    FAIL("does not come to rest");
  }
  int last_ip = 0;
};

Value deployment(int replicas, const std::string& image = "v1") {
  Value object = parse(R"({"apiVersion":"apps/v1","kind":"Deployment",
    "metadata":{"name":"web","namespace":"default","labels":{"app":"web"}},
    "spec":{"selector":{"matchLabels":{"app":"web"}},"progressDeadlineSeconds":600,
      "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":0}},
      "template":{"metadata":{"labels":{"app":"web"}},
        "spec":{"containers":[{"name":"c","ports":[{"name":"http","containerPort":8080}]}]}}}})");
  object["spec"].set("replicas", replicas);
  object["spec"]["template"]["spec"]["containers"].array_items()[0].set("image", image);
  return object;
}

void set_image(World* world, const std::string& image) {
  world->cluster.change(resource::deployments(), {"default", "web"}, [&](Value* d) {
    (*d)["spec"]["template"]["spec"]["containers"].array_items()[0].set("image", image);
  });
}

std::string reason(const Value& object, const char* type) {
  const Value* condition = find_condition(object, type);
  return condition == nullptr ? "" : (*condition)["reason"].as_string();
}

TEST_CASE("a Deployment comes up, scales, rolls out and rolls back") {
  World world;
  world.add(resource::deployments(), deployment(3));
  world.settle();
  CHECK(world.count(resource::pods()) == 3);
  Value web = world.get(resource::deployments(), {"default", "web"});
  CHECK(web.at("status.availableReplicas").as_int() == 3);
  CHECK(web.at("status.updatedReplicas").as_int() == 3);
  CHECK(web.at("status.observedGeneration") == web.at("metadata.generation"));
  CHECK(reason(web, "Available") == "MinimumReplicasAvailable");
  CHECK(reason(web, "Progressing") == "NewReplicaSetAvailable");
  CHECK(web["metadata"]["annotations"][kRevisionAnnotation].as_string() == "1");
  const std::string first = name_of(world.cluster.all(resource::replica_sets())[0]);
  CHECK(world.events.told()[0] ==
        "Normal ScalingReplicaSet web: Scaled up replica set " + first + " from 0 to 3");

  set_image(&world, "v2");
  world.settle();
  CHECK(world.count(resource::replica_sets()) == 2);
  CHECK(world.count(resource::pods()) == 3);
  for (const Value& pod : world.cluster.all(resource::pods()))
    CHECK(pod["spec"]["containers"][0]["image"].as_string() == "v2");
  web = world.get(resource::deployments(), {"default", "web"});
  CHECK(web["metadata"]["annotations"][kRevisionAnnotation].as_string() == "2");
  CHECK(reason(web, "Progressing") == "NewReplicaSetAvailable");

  set_image(&world, "v1");  // What kubectl rollout undo does.
  world.settle();
  CHECK(world.count(resource::replica_sets()) == 2);
  web = world.get(resource::deployments(), {"default", "web"});
  CHECK(web["metadata"]["annotations"][kRevisionAnnotation].as_string() == "3");
  const Value back = world.get(resource::replica_sets(), {"default", first});
  CHECK(back["metadata"]["annotations"][kRevisionHistoryAnnotation].as_string() == "1");
  CHECK(back.at("spec.replicas").as_int() == 3);

  world.cluster.forget_writes();
  world.restart();
  world.settle();
  CHECK(world.cluster.writes().empty());  // At rest nothing is written.
}

TEST_CASE("a rolling update never has too few or too many pods") {
  struct Row {
    const char* surge;
    const char* unavailable;
    int replicas, most, least;
  };
  for (const Row& row :
       {Row{"1", "0", 3, 4, 3}, Row{"0", "1", 3, 3, 2}, Row{"25%", "25%", 8, 10, 6},
        Row{"100%", "0", 4, 8, 4}, Row{"0", "0", 2, 2, 1}}) {
    INFO("surge " << row.surge << " unavailable " << row.unavailable);
    World world;
    Value web = deployment(row.replicas);
    const auto bound = [](std::string text) {
      return text.back() == '%' ? Value(text) : Value(*parse_int(text));
    };
    web["spec"]["strategy"]["rollingUpdate"].set("maxSurge", bound(row.surge));
    web["spec"]["strategy"]["rollingUpdate"].set("maxUnavailable", bound(row.unavailable));
    world.add(resource::deployments(), web);
    world.settle();
    set_image(&world, "v2");
    int most = 0, least = 1000;
    for (int i = 0; i < 3000; ++i) {
      world.pass(1s);
      const bool ran = world.runner->run_pending(1) > 0;
      if (!ran && !world.play_kubelet()) break;
      int live = 0, ready = 0;
      for (const Value& pod : world.cluster.all(resource::pods())) {
        live += is_active(pod);
        ready += is_active(pod) && is_ready(pod);
      }
      most = std::max(most, live);
      least = std::min(least, ready);
    }
    CHECK(most <= row.most);
    CHECK(least >= row.least);
    CHECK(world.count(resource::pods()) == static_cast<size_t>(row.replicas));
    for (const Value& pod : world.cluster.all(resource::pods()))
      CHECK(pod["spec"]["containers"][0]["image"].as_string() == "v2");
  }
}

TEST_CASE("Recreate ends all old pods before it makes new ones") {
  World world;
  Value web = deployment(2);
  web["spec"].set("strategy", parse(R"({"type":"Recreate"})"));
  world.add(resource::deployments(), web);
  world.settle();
  set_image(&world, "v2");
  world.pass(1s);
  world.runner->run_pending();
  for (const Value& pod : world.cluster.all(resource::pods())) CHECK(is_deleting(pod));
  CHECK(world.count(resource::replica_sets()) == 1);
  world.settle();
  CHECK(world.count(resource::pods()) == 2);
  CHECK(world.count(resource::replica_sets()) == 2);
}

TEST_CASE("a stuck rollout exceeds its deadline; pausing; history limit") {
  World world;
  Value web = deployment(1);
  web["spec"].set("revisionHistoryLimit", 1);
  world.add(resource::deployments(), web);
  world.settle();
  set_image(&world, "v2");
  world.pass(1s);
  world.runner->run_pending();  // No kubelet: the new pod never gets ready.
  CHECK(reason(world.get(resource::deployments(), {"default", "web"}), "Progressing") ==
        "ReplicaSetUpdated");
  world.pass(605s);
  world.runner->run_pending();
  CHECK(reason(world.get(resource::deployments(), {"default", "web"}), "Progressing") ==
        "ProgressDeadlineExceeded");
  world.settle();
  CHECK(reason(world.get(resource::deployments(), {"default", "web"}), "Progressing") ==
        "NewReplicaSetAvailable");
  for (const char* image : {"v3", "v4"}) {
    set_image(&world, image);
    world.settle();
  }
  CHECK(world.count(resource::replica_sets()) == 2);

  world.cluster.change(resource::deployments(), {"default", "web"},
                       [](Value* d) { (*d)["spec"].set("paused", true); });
  set_image(&world, "v5");
  world.settle();
  CHECK(world.count(resource::replica_sets()) == 2);
  CHECK(reason(world.get(resource::deployments(), {"default", "web"}), "Progressing") ==
        "DeploymentPaused");
  world.cluster.change(resource::deployments(), {"default", "web"}, [](Value* d) {
    (*d)["spec"].set("paused", false);
    (*d)["spec"].set("replicas", 4);
  });
  world.settle();
  CHECK(world.count(resource::pods()) == 4);
  for (const Value& pod : world.cluster.all(resource::pods()))
    CHECK(pod["spec"]["containers"][0]["image"].as_string() == "v5");
}

TEST_CASE("scaling during a rollout keeps proportions") {
  Value web = deployment(10);
  web["metadata"].set("generation", 2);
  const auto set = [&](const char* name, int replicas, const char* image) {
    Value object = deployment(replicas, image);
    object.set("kind", "ReplicaSet");
    object["metadata"].set("name", name);
    object["metadata"].set("uid", name);
    object["metadata"].set("annotations", Value::object({{kDesiredReplicasAnnotation, "5"},
                                                         {kMaxReplicasAnnotation, "6"},
                                                         {kRevisionAnnotation, name}}));
    object["status"].set("replicas", replicas);
    object["status"].set("availableReplicas", replicas);
    return object;
  };
  const DeploymentPlan plan =
      plan_deployment(web, {set("1", 4, "v0"), set("2", 2, "v1")}, false, WallTime{});
  REQUIRE(plan.update.size() == 2);
  int64_t total = 0;
  for (const Value& each : plan.update) total += each.at("spec.replicas").as_int();
  CHECK(total == 11);
  CHECK(plan.update[0].at("spec.replicas").as_int() == 7);
  CHECK(plan.update[1].at("spec.replicas").as_int() == 4);
}

TEST_CASE("services: Endpoints and slices follow their pods") {
  World world;
  world.add(resource::deployments(), deployment(2));
  world.add(resource::services(), parse(R"({"apiVersion":"v1","kind":"Service",
    "metadata":{"name":"web","namespace":"default"},
    "spec":{"selector":{"app":"web"},"clusterIP":"10.43.0.9",
            "ports":[{"name":"main","port":80,"targetPort":"http","protocol":"TCP"}]}})"));
  world.settle();
  Value endpoints = world.get(resource::endpoints(), {"default", "web"});
  REQUIRE(endpoints["subsets"].size() == 1);
  CHECK(endpoints["subsets"][0]["addresses"].size() == 2);
  CHECK(endpoints["subsets"][0]["ports"][0]["port"].as_int() == 8080);
  REQUIRE(world.count(resource::endpoint_slices()) == 1);
  const Value slice = world.cluster.all(resource::endpoint_slices())[0];
  CHECK(slice["endpoints"].size() == 2);
  CHECK(slice["endpoints"][0].at("conditions.ready").as_bool());
  CHECK(slice["metadata"]["labels"]["kubernetes.io/service-name"].as_string() == "web");

  const ObjectKey one = client::key_of(world.cluster.all(resource::pods())[0]);
  world.cluster.change(resource::pods(), one, [](Value* pod) {
    (*pod)["status"]["conditions"].array_items()[0].set("status", "False");
  });
  world.pass(1s);
  world.runner->run_pending();
  endpoints = world.get(resource::endpoints(), {"default", "web"});
  CHECK(endpoints["subsets"][0]["addresses"].size() == 1);
  CHECK(endpoints["subsets"][0]["notReadyAddresses"].size() == 1);

  REQUIRE(world.api().remove(resource::services(), {"default", "web"}).ok());
  world.settle();
  CHECK(world.count(resource::endpoints()) == 0);
  CHECK(world.count(resource::endpoint_slices()) == 0);
}

TEST_CASE("deletion spreads in the background, in the foreground, or not at all") {
  for (const char* how : {"Background", "Foreground", "Orphan"}) {
    INFO(how);
    World world;
    world.add(resource::deployments(), deployment(2));
    world.settle();
    client::DeleteOptions options;
    options.propagation = how;
    REQUIRE(world.api().remove(resource::deployments(), {"default", "web"}, options).ok());
    if (std::string_view(how) == "Foreground") {
      world.runner->run_pending();
      CHECK(world.count(resource::deployments()) == 1);  // Waits for its pods.
    }
    world.settle();
    CHECK(world.count(resource::deployments()) == 0);
    const bool orphan = std::string_view(how) == "Orphan";
    CHECK(world.count(resource::replica_sets()) == (orphan ? 1 : 0));
    CHECK(world.count(resource::pods()) == (orphan ? 2 : 0));
    if (orphan) CHECK(controller_of(world.cluster.all(resource::replica_sets())[0]) == nullptr);
  }
}

TEST_CASE("a namespace is filled with what pods expect and emptied at its end") {
  World world;
  world.add(resource::namespaces(), parse(R"({"apiVersion":"v1","kind":"Namespace",
    "metadata":{"name":"default"},"spec":{"finalizers":["kubernetes"]}})"));
  world.settle();
  CHECK(world.count(resource::service_accounts()) == 1);
  CHECK(world.get(resource::config_maps(), {"default", "kube-root-ca.crt"})["data"]["ca.crt"]
            .as_string() == "CA");
  REQUIRE(world.api().remove(resource::config_maps(), {"default", "kube-root-ca.crt"}).ok());
  world.settle();
  CHECK(world.count(resource::config_maps()) == 1);
  world.add(resource::deployments(), deployment(2));
  world.settle();
  REQUIRE(world.api().remove(resource::namespaces(), {"", "default"}).ok());
  world.settle();
  for (const auto* kind :
       {&resource::namespaces(), &resource::deployments(), &resource::pods(),
        &resource::replica_sets(), &resource::config_maps(), &resource::service_accounts()})
    CHECK(world.count(*kind) == 0);
}

TEST_CASE("a pod that tolerates a taint for longer than a clock can count stays") {
  const Value node = parse(R"({"spec":{"taints":[
    {"key":"a","effect":"NoExecute","timeAdded":"2023-11-14T22:13:20Z"}]}})");
  for (const char* seconds : {"9223372037", "9223372036854775807"}) {
    const Value pod = parse(R"({"spec":{"tolerations":[{"key":"a","operator":"Exists",
      "tolerationSeconds":)" +
                            std::string(seconds) + "}]}}");
    CHECK(eviction_time(pod, node) == WallTime::max());
  }
}

TEST_CASE("a silent node becomes Unknown, is tainted, its pods leave in time") {
  World world;
  world.add(resource::pods(), parse(R"({"apiVersion":"v1","kind":"Pod",
    "metadata":{"name":"p","namespace":"default"},"spec":{"nodeName":"node","tolerations":[
      {"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute",
       "tolerationSeconds":300}]},
    "status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}})"));
  world.runner->run_pending();
  world.clock.advance(39s);
  world.runner->run_pending();
  CHECK(condition_is(world.get(resource::nodes(), {"", "node"}), "Ready", "True"));
  world.clock.advance(1s);
  world.runner->run_pending();
  Value silent = world.get(resource::nodes(), {"", "node"});
  CHECK(condition_is(silent, "Ready", "Unknown"));
  CHECK(reason(silent, "Ready") == "NodeStatusUnknown");
  REQUIRE(silent["spec"]["taints"].size() == 2);
  CHECK(silent["spec"]["taints"][1]["effect"].as_string() == "NoExecute");
  CHECK_FALSE(is_ready(world.get(resource::pods(), {"default", "p"})));
  world.clock.advance(299s);
  world.runner->run_pending();
  CHECK_FALSE(is_deleting(world.get(resource::pods(), {"default", "p"})));
  world.clock.advance(2s);
  world.runner->run_pending();
  CHECK(is_deleting(world.get(resource::pods(), {"default", "p"})));

  world.cluster.change(resource::nodes(), {"", "node"}, [](Value* n) {
    Value& ready = (*n)["status"]["conditions"].array_items()[0];
    ready.set("status", "True");
    ready.set("lastHeartbeatTime", "y");
  });
  world.runner->run_pending();
  CHECK(world.get(resource::nodes(), {"", "node"})["spec"]["taints"].empty());

  world.cluster.erase(resource::nodes(), {"", "node"});
  world.runner->run_pending();
  CHECK(world.count(resource::pods()) == 0);
}

TEST_CASE("nodes get ranges of their own") {
  World world;
  for (const char* name : {"a", "b", "c"})
    world.add(resource::nodes(), Value::object({{"apiVersion", "v1"},
                                                {"kind", "Node"},
                                                {"metadata", Value::object({{"name", name}})}}));
  world.runner->run_pending();
  std::set<std::string> ranges;
  for (const Value& each : world.cluster.all(resource::nodes()))
    ranges.insert(each["spec"]["podCIDR"].as_string());
  CHECK(ranges ==
        std::set<std::string>{"10.42.0.0/24", "10.42.1.0/24", "10.42.2.0/24", "10.42.3.0/24"});
}

// The whole story with every write from the n-th on failing, then a restart: for every n the end
// is the same, with nothing lost, left over or made twice.
TEST_CASE("stopped between any two writes, the work is finished after the restart") {
  for (int n = 0;; ++n) {
    World world;
    world.add(resource::deployments(), deployment(2));
    world.settle();
    set_image(&world, "v2");
    int calls = 0;
    bool stopped = false;
    world.cluster.fail_calls([&](const std::string&) -> std::optional<Status> {
      if (calls++ < n) return std::nullopt;
      stopped = true;
      return service_unavailable("stopped");
    });
    for (int i = 0; i < 50 && !stopped; ++i) {
      world.pass(1s);
      if (world.runner->run_pending(2000) == 0 && !world.play_kubelet()) break;
    }
    world.cluster.fail_calls(nullptr);
    world.restart();
    world.settle();
    INFO("stopped before write " << n);
    CHECK(world.count(resource::pods()) == 2);
    CHECK(world.count(resource::replica_sets()) == 2);
    for (const Value& pod : world.cluster.all(resource::pods()))
      CHECK(pod["spec"]["containers"][0]["image"].as_string() == "v2");
    if (!stopped) break;
    REQUIRE(n < 200);
  }
}

TEST_CASE("stopped between any two writes of a deletion, nothing is orphaned") {
  for (int n = 0;; ++n) {
    World world;
    world.add(resource::deployments(), deployment(2));
    world.settle();
    client::DeleteOptions options;
    options.propagation = n % 2 == 0 ? "Foreground" : "Background";
    REQUIRE(world.api().remove(resource::deployments(), {"default", "web"}, options).ok());
    int calls = 0;
    bool stopped = false;
    world.cluster.fail_calls([&](const std::string&) -> std::optional<Status> {
      if (calls++ < n / 2) return std::nullopt;
      stopped = true;
      return service_unavailable("stopped");
    });
    for (int i = 0; i < 50 && !stopped; ++i) {
      world.pass(1s);
      if (world.runner->run_pending(2000) == 0 && !world.play_kubelet()) break;
    }
    world.cluster.fail_calls(nullptr);
    world.restart();
    world.settle();
    INFO("stopped before write " << n / 2);
    CHECK(world.count(resource::deployments()) == 0);
    CHECK(world.count(resource::replica_sets()) == 0);
    CHECK(world.count(resource::pods()) == 0);
    if (!stopped && n % 2 == 1) break;
    REQUIRE(n < 200);
  }
}

}  // namespace
}  // namespace orch::controllers
