#include "base/timers.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <memory>

#include "base/task_pool.h"

namespace orch {
namespace {

using std::chrono::milliseconds;

// Counts up; tests wait for a number.
struct Counter {
  void add() {
    const std::lock_guard lock(mutex);
    ++count;
    changed.notify_all();
  }
  bool reaches(int wanted) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(10), [&] { return count >= wanted; });
  }
  std::mutex mutex;
  std::condition_variable changed;
  int count = 0;
};

TEST_CASE("timers fire once, in order, and can set themselves anew", "[timers]") {
  Timers timers(system_clock());
  Counter fired;
  std::function<void()> again = [&] {
    fired.add();
    timers.set_after("again", milliseconds(1), again);
  };
  timers.set_after("again", milliseconds(0), again);
  CHECK(fired.reaches(5));
  timers.stop();
}

TEST_CASE("set replaces, set_earliest keeps the earlier, cancel forgets", "[timers]") {
  Timers timers(system_clock());
  Counter late, early, kept;
  const MonoTime now = system_clock().monotonic();
  timers.set("a", now + milliseconds(1), [&] { late.add(); });
  timers.set("a", now + milliseconds(2), [&] { early.add(); });
  timers.set_earliest("b", now + milliseconds(3), [&] { kept.add(); });
  timers.set_earliest("b", now + std::chrono::hours(1), [&] { late.add(); });
  timers.set("c", now + milliseconds(1), [&] { late.add(); });
  timers.cancel("c");
  CHECK(early.reaches(1));
  CHECK(kept.reaches(1));
  timers.stop();
  CHECK(late.count <= 1);  // "a" or "c" may have been due before they were taken back.
}

TEST_CASE("a task pool runs everything with few threads, and nothing after stop", "[task_pool]") {
  TaskPool pool(2);
  Counter done;
  std::atomic<int> at_once = 0, most = 0;
  for (int i = 0; i < 100; ++i) {
    REQUIRE(pool.run([&] {
      const int now = ++at_once;
      int before = most;
      while (now > before && !most.compare_exchange_weak(before, now)) continue;
      --at_once;
      done.add();
    }));
  }
  CHECK(done.reaches(100));
  pool.stop();
  CHECK(most <= 2);
  CHECK_FALSE(pool.run([&] { done.add(); }));
  CHECK(done.count == 100);
}

TEST_CASE("what a dropped job captured may call the pool that is stopped", "[task_pool]") {
  TaskPool pool(1);
  Counter begun, dropped;
  std::atomic<bool> went_first = false, was_run = false;
  REQUIRE(pool.run([&] {
    begun.add();
    went_first = dropped.reaches(1);
  }));
  const auto ask = [&](void*) {
    was_run = pool.run([] {});
    dropped.add();
  };
  REQUIRE(pool.run([held = std::shared_ptr<void>(nullptr, ask)] {}));
  REQUIRE(begun.reaches(1));
  pool.stop();
  CHECK(went_first);
  CHECK_FALSE(was_run);
}

}  // namespace
}  // namespace orch
