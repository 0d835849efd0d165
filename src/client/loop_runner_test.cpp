// The queue by table, the runner against the fake cluster: one worker per key, backoff, the fence.
#include "client/loop_runner.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <latch>

#include "client/fake_cluster.h"

namespace orch::client {
namespace {

using api::Value;
using namespace std::chrono_literals;

Value config_map(const std::string& name, const std::string& value = "") {
  return Value::object({{"apiVersion", "v1"},
                        {"kind", "ConfigMap"},
                        {"metadata", Value::object({{"namespace", "default"}, {"name", name}})},
                        {"data", Value::object({{"value", value}})}});
}

// A loop whose body is given by the test.
class TestLoop : public Reconciler {
 public:
  using Body = std::function<Result<Requeue>(const ObjectKey&)>;
  explicit TestLoop(Body body) : body_(std::move(body)) {}
  std::string_view name() const override { return "test"; }
  std::vector<Watch> watches() override { return {watch_own(api::resource::config_maps())}; }
  Result<Requeue> reconcile(const ObjectKey& key) override { return body_(key); }

 private:
  Body body_;
};

TEST_CASE("a key waits once and never runs twice at once") {
  WorkQueue queue;
  const WorkItem a{0, {"default", "a"}}, b{0, {"default", "b"}};
  const MonoTime now{};
  queue.add(a);
  queue.add(a);
  queue.add(b);
  CHECK(queue.depth(0) == 2);
  REQUIRE(queue.take(now) == a);
  queue.add(a);
  CHECK(queue.take(now) == b);
  CHECK_FALSE(queue.take(now));
  queue.done(a);
  CHECK(queue.take(now) == a);
  queue.done(a);
  queue.done(b);
  CHECK_FALSE(queue.take(now));
}

TEST_CASE("delayed items come when due, the earliest due counts") {
  WorkQueue queue;
  const WorkItem a{0, {"", "a"}};
  const MonoTime start{};
  queue.add_at(a, start + 10s);
  queue.add_at(a, start + 3s);
  queue.add_at(a, start + 7s);
  CHECK(queue.next_due() == start + 3s);
  CHECK_FALSE(queue.take(start + 2s));
  CHECK(queue.take(start + 3s) == a);
  CHECK_FALSE(queue.next_due());
}

TEST_CASE("backoff doubles from 5 ms to 1000 s") {
  CHECK(backoff_after(1) == 5ms);
  CHECK(backoff_after(2) == 10ms);
  CHECK(backoff_after(10) == 2560ms);
  CHECK(backoff_after(18) == 655360ms);
  CHECK(backoff_after(19) == 1000s);
  CHECK(backoff_after(1000) == 1000s);
  WorkQueue queue;
  const WorkItem a{0, {"", "a"}};
  queue.add_failed(a, MonoTime{});
  CHECK(queue.next_due() == MonoTime{} + 5ms);
  REQUIRE(queue.take(MonoTime{} + 5ms));
  queue.add_failed(a, MonoTime{});
  CHECK(queue.failures(a) == 2);
  queue.succeeded(a);
  CHECK(queue.failures(a) == 0);
}

TEST_CASE("failures are retried after their backoff, requeues after their delay") {
  FakeClock clock;
  FakeCluster cluster(clock);
  LoopRunner runner(cluster, cluster, clock);
  int runs = 0;
  runner.add(std::make_unique<TestLoop>([&](const ObjectKey&) -> Result<Requeue> {
    if (++runs <= 2) return internal_error("not yet");
    return runs == 3 ? Requeue::after(60s) : Requeue::never();
  }));
  runner.start(0);
  REQUIRE(cluster.create(api::resource::config_maps(), config_map("a")).ok());
  CHECK(runner.run_pending() == 1);
  CHECK(runner.run_pending() == 0);
  clock.advance(5ms);
  CHECK(runner.run_pending() == 1);
  clock.advance(9ms);
  CHECK(runner.run_pending() == 0);
  clock.advance(1ms);
  CHECK(runner.run_pending() == 1);
  clock.advance(59s);
  CHECK(runner.run_pending() == 0);
  clock.advance(1s);
  CHECK(runner.run_pending() == 1);
  clock.advance(10000s);
  CHECK(runner.run_pending() == 0);
  CHECK(runner.metrics()[0].runs == 4);
  CHECK(runner.metrics()[0].failures == 2);
  CHECK(runner.metrics()[0].requeues == 1);
}

TEST_CASE("how long a key waited and was worked on is measured from its first add") {
  FakeClock clock;
  FakeCluster cluster(clock);
  LoopRunner runner(cluster, cluster, clock);
  runner.add(std::make_unique<TestLoop>([&](const ObjectKey&) -> Result<Requeue> {
    clock.advance(20s);
    return Requeue::never();
  }));
  runner.start(0);
  runner.enqueue("test", {"default", "a"});
  clock.advance(2s);
  runner.enqueue("test", {"default", "a"});  // It waits already.
  clock.advance(1s);
  CHECK(runner.run_pending() == 1);
  const LoopMetrics metrics = runner.metrics()[0];
  CHECK(metrics.adds == 1);
  CHECK(metrics.waited->sum() == 3);
  CHECK(metrics.worked->sum() == 20);
  runner.enqueue("test", {"default", "a"});
  CHECK(runner.metrics()[0].adds == 2);
}

TEST_CASE("the fence: a key does not run before the cache shows what it wrote") {
  FakeClock clock;
  FakeCluster cluster(clock);
  LoopRunner runner(cluster, cluster, clock);
  int seen_children = -1;
  runner.add(std::make_unique<TestLoop>([&](const ObjectKey& key) -> Result<Requeue> {
    if (key.name != "parent") return Requeue::never();
    seen_children =
        static_cast<int>(static_cast<Cache&>(cluster).list(api::resource::config_maps()).size()) -
        1;
    if (seen_children == 0)
      ORCH_TRY(runner.api().create(api::resource::config_maps(), config_map("child")));
    return Requeue::never();
  }));
  runner.start(0);
  REQUIRE(cluster.create(api::resource::config_maps(), config_map("parent")).ok());
  cluster.hold();
  CHECK(runner.run_pending() == 1);
  runner.enqueue("test", {"default", "parent"});
  runner.run_pending();
  CHECK(seen_children == 0);
  CHECK(cluster.all(api::resource::config_maps()).size() == 2);  // Not created twice.
  CHECK(runner.metrics()[0].fence_waits == 1);
  cluster.release();
  runner.run_pending();
  CHECK(seen_children == 1);
  CHECK(cluster.all(api::resource::config_maps()).size() == 2);
}

TEST_CASE("the fence does not hold a key back when the store goes back to an older state") {
  FakeClock clock;
  FakeCluster cluster(clock);
  LoopRunner runner(cluster, cluster, clock);
  int runs = 0;
  bool replaced_meanwhile = false;
  runner.add(std::make_unique<TestLoop>([&](const ObjectKey& key) -> Result<Requeue> {
    if (key.name != "parent") return Requeue::never();
    ++runs;
    const std::string child = "child-" + std::to_string(runs);
    ORCH_TRY(runner.api().create(api::resource::config_maps(), config_map(child)));
    if (replaced_meanwhile) cluster.go_back_to(1);
    return Requeue::never();
  }));
  runner.start(0);
  for (const char* name : {"a", "b", "c", "parent"}) {
    REQUIRE(cluster.create(api::resource::config_maps(), config_map(name)).ok());
  }
  runner.run_pending();
  REQUIRE(runs == 1);
  cluster.go_back_to(1);
  replaced_meanwhile = true;
  for (int expected = 2; expected <= 3; ++expected) {
    runner.enqueue("test", {"default", "parent"});
    runner.run_pending();
    CHECK(runs == expected);
  }
}

TEST_CASE("the fence holds for removals too") {
  FakeClock clock;
  FakeCluster cluster(clock);
  LoopRunner runner(cluster, cluster, clock);
  int removals = 0;
  runner.add(std::make_unique<TestLoop>([&](const ObjectKey& key) -> Result<Requeue> {
    if (key.name != "parent") return Requeue::never();
    if (!static_cast<Cache&>(cluster).get(api::resource::config_maps(), {"default", "child"}))
      return Requeue::never();
    ++removals;
    ORCH_TRY(runner.api().remove(api::resource::config_maps(), {"default", "child"}));
    return Requeue::never();
  }));
  REQUIRE(cluster.create(api::resource::config_maps(), config_map("child")).ok());
  REQUIRE(cluster.create(api::resource::config_maps(), config_map("parent")).ok());
  runner.start(0);
  cluster.hold();
  runner.run_pending();
  runner.enqueue("test", {"default", "parent"});
  runner.run_pending();
  CHECK(removals == 1);
  cluster.release();
  runner.run_pending();
  CHECK(removals == 1);
}

TEST_CASE("workers run different keys at the same time, stop waits for them") {
  FakeCluster cluster(system_clock());
  std::latch both(2), done(3);
  std::atomic<int> runs = 0;
  LoopRunner runner(cluster, cluster, system_clock());
  runner.add(std::make_unique<TestLoop>([&](const ObjectKey&) -> Result<Requeue> {
    if (++runs <= 2) both.arrive_and_wait();  // Hangs unless two workers are here at once.
    done.count_down();
    return Requeue::never();
  }));
  runner.start(2);
  for (const char* name : {"a", "b", "c"})
    REQUIRE(cluster.create(api::resource::config_maps(), config_map(name)).ok());
  done.wait();
  runner.stop();
  CHECK(runs == 3);
}

}  // namespace
}  // namespace orch::client
