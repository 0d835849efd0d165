// The failures that etcd met in its history, each a test by its name: what a store must never do,
// played with the product's own code. What needs several servers, or a loss of power, runs on the
// simulation's time, disks and network, each over a few seeds; the rest runs on the store itself.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "script.h"
#include "store/snapshot.h"

namespace orch::sim {
namespace {

using store::Told;

TEST_CASE("a lost write on the crash of a single node") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 1);
    servers.leader();
    for (int i = 0; i < 20; ++i) {
      const std::string text = "w" + std::to_string(i);
      const int64_t revision = servers.write(servers.at(1), "/k/a", text);
      servers.at(1).crash(true);  // In the moment of the answer.
      servers.at(1).start();
      REQUIRE(servers.read(servers.leader(), "/k/a") == text);
      REQUIRE(servers.at(1).machine().revision() == revision);
    }
  }
}

TEST_CASE("an inconsistent revision after a crash") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    servers.leader();
    for (uint64_t victim = 1; victim <= 3; ++victim) {
      servers.write_many(servers.at(victim), 5);
      servers.at(victim).remember_table();  // All that is synced; what follows may be lost.
      servers.write_many(servers.at(victim), 5);
      servers.run_for(servers.world().below(50));
      servers.at(victim).crash(true);
      servers.write_many(servers.leader(), 5);
      servers.at(victim).start();
    }
    servers.must_be_equal();
  }
}

TEST_CASE("a revision that goes back after the log was compacted") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 1);
    servers.leader();
    servers.at(1).remember_table();
    servers.write_many(servers.at(1), 100);  // Two copies take the log's place meanwhile.
    const int64_t revision = servers.write(servers.at(1), "/k/a", "last");
    servers.at(1).crash(true);
    servers.at(1).start();
    REQUIRE(servers.read(servers.leader(), "/k/a") == "last");
    REQUIRE(servers.at(1).machine().revision() == revision);
  }
}

TEST_CASE("a revision that goes back after a restore") {
  TestFolder folder, restored;
  auto store = store::open_store(folder);
  must(store->commit(put("/a/1")));
  const std::string copy = restored.path() + "/orch.db";
  REQUIRE(store->snapshot(copy).ok());
  int64_t seen = 0;
  for (int i = 0; i < 10; ++i) seen = must(store->commit(put("/a/1"))).revision;
  REQUIRE(store::raise_revision(copy, seen).ok());
  auto again = store::open_store(restored);
  REQUIRE(again->revision() >= seen);
  REQUIRE(must(again->commit(put("/a/1"))).revision > seen);
  // Whoever watched has to list anew, and is not shown another past under the same revisions.
  Told told;
  REQUIRE(again->watch("/a/", seen - 1, told.sink()).status().gone());
}

TEST_CASE("a watch that goes back in time after a partition") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& apart = servers.another(servers.leader());
    servers.write_many(apart, 5);
    std::mutex mutex;
    std::vector<int64_t> told;
    bool over = false;
    const int64_t from = apart.machine().revision();
    const auto watch = apart.machine().watch("", from, [&](std::span<const store::Event> events) {
      const std::lock_guard lock(mutex);
      over = over || events.empty();
      for (const store::Event& event : events) told.push_back(event.revision);
    });
    REQUIRE(watch.ok());
    const bool far = seed % 2 == 0;  // Too far behind for the log: it takes a copy of the state.
    servers.cut_off(apart);
    servers.write_many(servers.leader(), far ? 120 : 5);
    servers.cut_off(apart, false);
    servers.must_be_equal();
    const int64_t last = servers.write(apart, "/k/a", "after");
    apart.collect();  // The hub has told everything by then.
    const std::lock_guard lock(mutex);
    if (far) REQUIRE(over);
    int64_t before = from;
    for (const int64_t revision : told) REQUIRE(revision == ++before);
    if (!over) REQUIRE(before == last);
  }
}

TEST_CASE("events lost when a watcher starves") {
  TestFolder folder;
  store::Options options;
  options.directory = folder.path();
  options.history_events = 100;
  auto store = store::open_store(options);
  // The first watcher holds the hub up, while much more happens than the history keeps.
  std::atomic<bool> go_on{false};
  Told starving;
  const auto remember = starving.sink();
  const auto watch = store->watch("/a/", 1, [&](std::span<const store::Event> events) {
    go_on.wait(false);
    remember(events);
  });
  std::thread writer([&] {
    for (int i = 0; i < 400; ++i) must(store->commit(put("/a/" + std::to_string(i % 10))));
  });
  Told late;
  auto second = store->watch("/a/", 1, late.sink());
  go_on = true;
  go_on.notify_all();
  writer.join();
  int64_t next = 2;
  for (const store::Event& event : starving.wait_for(400)) REQUIRE(event.revision == next++);
  if (second.ok()) {  // Else it was told that it came too late: that is no loss.
    next = 2;
    for (const store::Event& event : late.wait_for(400)) REQUIRE(event.revision == next++);
  } else {
    REQUIRE(second.status().gone());
  }
}

TEST_CASE("a duplicate event where a watch goes on from the last one it had") {
  TestFolder folder;
  auto store = store::open_store(folder);
  std::thread writer([&] {
    for (int i = 0; i < 400; ++i) must(store->commit(put("/a/" + std::to_string(i % 10))));
  });
  int64_t last = 1;
  while (last < 401) {  // Again and again, while events come.
    Told told;
    const auto watch = store->watch("/a/", last, told.sink());
    REQUIRE(watch.ok());
    for (const store::Event& event : told.wait_for(1)) REQUIRE(event.revision == ++last);
  }
  writer.join();
}

TEST_CASE("a delete that is missed at the revision of the compaction") {
  TestFolder folder;
  store::Options options;
  options.directory = folder.path();
  options.history_events = 4;
  auto store = store::open_store(options);
  must(store->commit(put("/a/1")));                                          // 2
  const int64_t gone = must(store->commit(store::remove("/a/1"))).revision;  // 3
  for (int i = 0; i < 4; ++i) {                                              // 4 to 7
    for (int64_t from = gone - 1; from <= gone; ++from) {
      Told told;
      const auto watch = store->watch("/a/", from, told.sink());
      const int64_t floor = std::max<int64_t>(1, store->revision() - 4);
      REQUIRE(watch.ok() == (from >= floor));  // Never a watch that begins behind the delete.
      if (!watch.ok()) {
        REQUIRE(watch.status().gone());
      } else if (from < gone) {
        REQUIRE(told.wait_for(1)[0].type == store::EventType::remove);
      }
    }
    must(store->commit(put("/b/1")));
  }
}

TEST_CASE("a watch on a future revision") {
  TestFolder folder;
  auto store = store::open_store(folder);
  Told told;
  const auto watch = store->watch("/a/", 5, told.sink());
  REQUIRE(watch.ok());
  for (int i = 0; i < 8; ++i) must(store->commit(put("/a/1")));  // 2 to 9
  int64_t next = 6;
  for (const store::Event& event : told.wait_for(4)) REQUIRE(event.revision == next++);
}

TEST_CASE("a stale read by a process that was paused") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& paused = servers.leader();
    servers.write(paused, "/k/a", "old");
    servers.run_for(servers.world().below(500));
    paused.sleep(3000);
    // The others find a leader of their own.
    Server& other = servers.another(paused);
    servers.run_until(
        [&] { return other.replica().leader() != 0 && other.replica().leader() != paused.id(); });
    servers.write(other, "/k/a", "new");
    // It is asked before it wakes, and answers while it still believes that it leads.
    const std::string seen = servers.read(paused, "/k/a");
    REQUIRE((seen == "new" || seen == "refused"));
    servers.must_be_equal();
  }
}

TEST_CASE("two snapshots close together") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& behind = servers.another(servers.leader());
    servers.world().chances.slow_write = 500;
    for (int round = 0; round < 4; ++round) {  // A copy is due again before the one before is over.
      servers.cut_off(behind);
      servers.write_many(servers.leader(), 60);
      servers.cut_off(behind, false);
      servers.run_for(servers.world().below(400));
    }
    servers.world().chances = {};
    servers.must_be_equal();
  }
}

TEST_CASE("two snapshots of one store at the same time") {
  TestFolder folder;
  auto store = store::open_store(folder);
  for (int i = 0; i < 200; ++i) must(store->commit(put("/a/" + std::to_string(i))));
  TestFolder one, two;
  std::thread other([&] { REQUIRE(store->snapshot(one.path() + "/orch.db").ok()); });
  REQUIRE(store->snapshot(two.path() + "/orch.db").ok());
  other.join();
  for (const TestFolder* copy : {&one, &two}) {
    auto again = store::open_store(*copy);
    REQUIRE(again->count("/a/") == 200);
  }
}

TEST_CASE("a member that rejoins with an old disk") {
  for (uint64_t seed = 1; seed <= kSeeds / 2; ++seed) {
    Servers servers(seed, 3);
    Server& forgetful = servers.another(servers.leader());
    servers.write_many(servers.leader(), 10);
    servers.must_be_equal();
    forgetful.remember_disk();
    servers.write_many(servers.leader(), 10);
    servers.write(servers.leader(), "/k/a", "seen by all");
    servers.must_be_equal();
    forgetful.crash(false);
    forgetful.go_back_to_old_disk();
    forgetful.start();
    // The others go on, the old disk takes nothing away from them, and its server says what is
    // wrong with it.
    Server& other = servers.another(forgetful);
    servers.write(other, "/k/b", "more");
    REQUIRE(servers.read(other, "/k/a") == "seen by all");
    servers.run_for(11 * 60'000);
    REQUIRE(forgetful.replica().broken().has_value());
    REQUIRE(forgetful.replica().broken()->message.find("older") != std::string::npos);
    REQUIRE(servers.read(other, "/k/b") == "more");
  }
}

}  // namespace
}  // namespace orch::sim
