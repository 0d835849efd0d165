// The failures that etcd met in its history, each a test by its name: what a store must never do,
// played with the product's own code. What needs several servers, or a loss of power, runs on the
// simulation's time, disks and network, each over a few seeds; the rest runs on the store itself.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "server.h"
#include "store/snapshot.h"
#include "store/store_fixture.h"

namespace orch::sim {
namespace {

using store::must;
using store::put;
using store::TestFolder;
using store::Told;

constexpr uint64_t kPatienceMs = 60'000;  // Of simulated time.
constexpr uint64_t kSeeds = 10;

// Some servers and a script for them.
class Servers {
 public:
  Servers(uint64_t seed, size_t count)
      : world_(seed), cluster_(world_, history_, {}, folder_.path()) {
    for (; count > 0; --count) cluster_.add();
    for (const auto& server : cluster_.servers) server->start();
  }

  World& world() { return world_; }
  Server& add() {
    Server& server = cluster_.add();
    server.start();
    return server;
  }
  // Asked of that server; 0 when it was done, else the code of the refusal.
  int change(Server& asked, store::MemberChange::Kind kind, const Server& of) {
    std::optional<Result<void>> answer;
    asked.change_members({kind, of.id(), std::to_string(of.id())},
                         [&](const Result<void>& result) { answer = result; });
    run_until([&] { return answer.has_value(); });
    return answer->ok() ? 0 : answer->status().code;
  }
  Server& at(uint64_t id) { return *cluster_.of(id); }

  // Until `done`; fails when that takes too long.
  template <typename Done>
  void run_until(const Done& done) {
    const uint64_t until = world_.now() + kPatienceMs;
    while (!done()) {
      if (!world_.step(until)) FAIL("nothing more happens");
      if (!history_.complaint().empty()) FAIL(history_.complaint());
    }
  }
  void run_for(uint64_t ms) {
    const uint64_t until = world_.now() + ms;
    while (world_.step(until)) {
    }
  }

  // The one that leads most of the others.
  Server& leader() {
    Server* found = nullptr;
    run_until([&] {
      for (const auto& server : cluster_.servers) {
        if (!server->lives() || !server->replica().leads()) continue;
        size_t led = 0;
        for (const auto& each : cluster_.servers)
          led += each->lives() && each->replica().leader() == server->id();
        if (led * 2 > cluster_.servers.size()) found = &*server;
      }
      return found != nullptr;
    });
    return *found;
  }
  Server& another(const Server& than) { return at(than.id() % cluster_.servers.size() + 1); }

  // Written through that server; its revision. Whoever leads may change meanwhile.
  int64_t write(Server& server, const std::string& key, const std::string& text) {
    std::optional<Result<store::Committed>> answer;
    server.commit(put(key, text), [&](Result<store::Committed> result) { answer = result; });
    run_until([&] { return answer.has_value(); });
    return must(*std::move(answer)).revision;
  }
  void write_many(Server& server, int count) {
    for (int i = 0; i < count; ++i) write(server, "/k/" + std::to_string(i % 7), "x");
  }
  // What a consistent read through that server finds; "refused" when it gets no answer.
  std::string read(Server& server, const std::string& key) {
    std::optional<Result<void>> answer;
    server.sync([&](const Result<void>& result) { answer = result; });
    run_until([&] { return answer.has_value(); });
    if (!answer->ok()) return "refused";
    const store::RecordPtr record = server.machine().get(key);
    if (!record) return "nothing";
    const std::string_view bytes = record->bytes;
    const size_t begin = bytes.find("\"data\":\"") + 8;
    return std::string(bytes.substr(begin, bytes.size() - begin - 2));
  }

  void cut_off(const Server& server, bool is_cut = true) {
    for (const auto& each : cluster_.servers) {
      for (const auto& way : {std::pair(server.id(), each->id()), {each->id(), server.id()}}) {
        if (is_cut) {
          world_.cuts.cut(way.first, way.second);
        } else {
          world_.cuts.heal(way.first, way.second);
        }
      }
    }
  }

  void must_be_equal() {
    run_until([&] {
      for (const auto& each : cluster_.servers) {
        if (!each->lives() || each->replica().leader() == 0) return false;
        if (each->machine().revision() != at(1).machine().revision()) return false;
      }
      return true;
    });
    for (const auto& each : cluster_.servers) REQUIRE(each->dump() == at(1).dump());
  }

 private:
  TestFolder folder_;
  World world_;
  History history_;
  Cluster cluster_;
};

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

TEST_CASE("a sole voter's entries that a learner has and it has not") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 1);
    Server& voter = servers.leader();
    Server& learner = servers.add();
    servers.write_many(voter, 5);
    REQUIRE(servers.change(voter, store::MemberChange::Kind::add, learner) == 0);
    servers.must_be_equal();
    voter.set_full(true);  // Its own writes wait; those to the learner don't.
    for (int i = 0; i < 3; ++i) voter.commit(put("/k/a", "before"), [](const auto&) {});
    servers.run_for(200);
    voter.crash(true);
    voter.set_full(false);
    voter.start();
    servers.write(voter, "/k/a", "after");
    servers.must_be_equal();
    REQUIRE(servers.read(learner, "/k/a") == "after");
  }
}

TEST_CASE("a change of the members that comes behind other entries") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& leader = servers.leader();
    Server& behind = servers.another(leader);
    servers.write_many(leader, 20);
    servers.must_be_equal();
    Server& learner = servers.add();
    servers.cut_off(behind);
    servers.write_many(leader, 3);
    REQUIRE(servers.change(leader, store::MemberChange::Kind::add, learner) == 0);
    servers.write_many(leader, 3);
    servers.cut_off(behind, false);
    servers.must_be_equal();
    REQUIRE(behind.replica().membership().version().second == 0);  // All is agreed on.
    servers.write_many(servers.leader(), 80);  // Copies of the state take the log's place.
    servers.must_be_equal();
    behind.crash(true);
    behind.start();
    REQUIRE(behind.replica().membership().has(learner.id()));
  }
}

TEST_CASE("a vote that is needed of a server that does not know yet that it votes") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& learner = servers.add();
    Server& leader = servers.leader();
    REQUIRE(servers.change(leader, store::MemberChange::Kind::add, learner) == 0);
    servers.write_many(leader, 5);
    servers.must_be_equal();
    servers.cut_off(learner);
    REQUIRE(servers.change(leader, store::MemberChange::Kind::promote, learner) == 0);
    leader.crash(false);  // And is not seen again.
    servers.run_for(500);
    servers.cut_off(learner, false);
    Server& other = servers.another(leader);
    servers.write(other, "/k/a", "after");
    REQUIRE(servers.read(other, "/k/a") == "after");
  }
}

// A copy is made after 40 entries: now and then in the moment in which changes are agreed on.
TEST_CASE("a change of the members that a copy of the state forgets") {
  using Kind = store::MemberChange::Kind;
  Servers servers(1, 3);
  Server& changed = servers.another(servers.leader());
  for (int round = 0; round < 60; ++round) {
    const bool votes = round % 2 == 1;
    servers.write_many(servers.leader(), 1 + round % 5);
    const Server& leader = servers.leader();
    if (changed.id() == leader.id()) continue;
    REQUIRE(servers.change(servers.leader(), votes ? Kind::promote : Kind::demote, changed) == 0);
    servers.must_be_equal();
    for (uint64_t id = 1; id <= 3; ++id) {
      servers.at(id).crash(false);
      // Without the one whose vote is in question most are left.
      if (id == changed.id()) servers.write_many(servers.leader(), 4);
      servers.at(id).start();
      servers.must_be_equal();
    }
    for (uint64_t id = 1; id <= 3; ++id) {
      for (const store::Member& member : servers.at(id).replica().membership().members()) {
        REQUIRE(member.voter == (member.server != changed.id() || votes));
      }
    }
  }
}

// The leader's last configuration is not agreed on, and may be taken back.
TEST_CASE("a removal that another leader takes back") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 5);
    Server& old_leader = servers.leader();
    Server& removed = servers.another(old_leader);
    removed.excuse();
    servers.write_many(old_leader, 5);
    // Only these two hear of each other.
    servers.cut_off(old_leader);
    for (const auto& [from, to] :
         {std::pair(old_leader.id(), removed.id()), std::pair(removed.id(), old_leader.id())}) {
      servers.world().cuts.heal(from, to);
    }
    const store::MemberChange change{store::MemberChange::Kind::remove, removed.id(), ""};
    old_leader.change_members(change, [](const auto&) {});
    servers.run_for(100);
    if (old_leader.replica().leads()) {
      // Who asks again hears nothing of what is only wished.
      REQUIRE(servers.change(old_leader, store::MemberChange::Kind::remove, removed) == 409);
    }
    servers.run_for(3000);
    servers.cut_off(old_leader, false);
    servers.run_for(3000);
    const bool is_member = servers.leader().replica().membership().has(removed.id());
    REQUIRE(removed.replica().broken().has_value() != is_member);
  }
}

}  // namespace
}  // namespace orch::sim
