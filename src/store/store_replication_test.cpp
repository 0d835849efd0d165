// Several servers, each a whole Store with its log on disk, in one process: what one acknowledges
// all have, whoever comes, goes and is cut off.
#include <filesystem>
#include <fstream>

#include "base/files.h"
#include "store/servers_fixture.h"
#include "store/turning_cipher.h"

namespace orch::store {
namespace {

using Kind = MemberChange::Kind;

void require_equal(ThreeServers& servers) {
  for (TestServer* server : servers.all()) must(server->sync());
  const std::string state = dump(*servers.first);
  CHECK(dump(*servers.second) == state);
  CHECK(dump(*servers.third) == state);
}

TEST_CASE("one server begins a log and leads it") {
  Wires wires;
  TestServer server(wires, 1);
  server.start(true);
  CHECK(server.wait_for_leader() == 1);
  CHECK(server->leadership().ours);
  CHECK(must(server->commit(put("/a/1"))).revision == 2);
  must(server.sync());
  CHECK(server->members() == std::vector<Member>{{1, "server-1", true}});
  server.stop();
  server.start();  // `begins` is for where there is none.
  CHECK(server->get("/a/1")->revision == 2);
  server.wait_for_leader();
  CHECK(must(server->commit(put("/a/2"))).revision == 3);
}

TEST_CASE("what one of three servers acknowledges, all have") {
  ThreeServers servers;
  CHECK(servers.second->members().size() == 3);
  int64_t revision = servers.first->revision();
  for (TestServer* server : servers.all()) {
    const std::string key = "/a/" + std::to_string(server->id());
    CHECK(must((*server)->commit(put(key, key, 0))).revision == ++revision);
    CHECK((*server)->get(key)->revision == revision);  // Here at once,
    for (TestServer* other : servers.all()) {          // elsewhere after a look around.
      must(other->sync());
      CHECK((*other)->get(key)->revision == revision);
    }
  }
  const auto lost = servers.third->commit(put("/a/1", "again", 0));
  CHECK(lost.status().already_exists());
  require_equal(servers);
}

TEST_CASE("writers on all servers at once leave one history, and watches see all of it") {
  ThreeServers servers;
  constexpr int kWriters = 4, kWrites = 50;
  const int64_t from = servers.first->revision();
  std::map<uint64_t, Told> told;
  std::vector<std::unique_ptr<Watch>> watches;
  for (TestServer* server : servers.all()) {
    must(server->sync());
    watches.push_back(*(*server)->watch("", from, told[server->id()].sink()));
  }
  std::vector<std::thread> threads;
  for (TestServer* server : servers.all()) {
    for (int writer = 0; writer < kWriters; ++writer) {
      threads.emplace_back([server, writer] {
        for (int i = 0; i < kWrites; ++i) {
          const std::string key =
              "/w/" + std::to_string(server->id() * 100 + writer) + "/" + std::to_string(i % 10);
          ORCH_CHECK((*server)->commit(put(key, std::to_string(i))).ok());
        }
      });
    }
  }
  for (std::thread& thread : threads) thread.join();
  require_equal(servers);
  for (TestServer* server : servers.all()) {
    const auto events = told[server->id()].wait_for(3 * kWriters * kWrites);
    REQUIRE(events.size() == 3 * kWriters * kWrites);
    for (size_t i = 0; i < events.size(); ++i) {
      REQUIRE(events[i].revision == from + 1 + static_cast<int64_t>(i));
    }
  }
}

TEST_CASE("when the leader closes, another leads before long, and each server may restart") {
  ThreeServers servers;
  for (int round = 0; round < 3; ++round) {
    const uint64_t leader = servers.first.wait_for_leader();
    servers.of(leader).stop();
    const auto rest = servers.others(leader);
    CHECK(rest[0]->wait_for_leader(leader) != leader);
    const std::string key = "/round/" + std::to_string(round);
    must((*rest[0])->commit(put(key)));
    must((*rest[1])->commit(put(key, "again")));
    servers.of(leader).start();
    servers.of(leader).wait_for_leader();
    must(servers.of(leader)->commit(put(key, "back")));
    require_equal(servers);
    for (TestServer* server : servers.all()) server->wait_for_leader();
  }
  // All at once.
  for (TestServer* server : servers.all()) server->stop();
  for (TestServer* server : servers.all()) server->start();
  must(servers.second->commit(put("/after")));
  require_equal(servers);
}

TEST_CASE("a leader that is cut off stops leading, and what it promised nobody is not kept") {
  ThreeServers servers;
  const uint64_t old = servers.first.wait_for_leader();
  const auto rest = servers.others(old);
  const uint64_t term = servers.of(old)->leadership().term;
  servers.wires.cut(old);
  CHECK(rest[0]->wait_for_leader(old) != old);
  must((*rest[0])->commit(put("/new")));
  CHECK(rest[0]->sync().ok());
  // A read there would be old: it waits until it is none any more, or is refused.
  std::promise<Result<void>> answer;
  servers.of(old)->sync([&](Result<void> result) { answer.set_value(std::move(result)); });
  // The old leader's loops still write: in their term, which is over.
  Write stale = put("/stale");
  stale.only_in_term = term;
  std::promise<Result<Committed>> fenced;
  servers.of(old)->commit(stale,
                          [&](Result<Committed> result) { fenced.set_value(std::move(result)); });
  servers.wires.heal();
  if (answer.get_future().get().ok()) CHECK(servers.of(old)->get("/new") != nullptr);
  const auto refused = fenced.get_future().get();
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().code >= 503);
  require_equal(servers);
  CHECK(servers.first->get("/stale") == nullptr);
}

TEST_CASE("relaxed writes reach a replica's table later, and a killed one's from its log") {
  ThreeServers servers;
  must(servers.first->commit(put("/a/1")));
  must(servers.second.sync());
  const std::string wal = servers.second.folder() + "/orch.db-wal";
  const auto before = *read_file(wal);
  for (int i = 0; i < 5; ++i)
    must(servers.first->commit(relaxed(put("/lease/" + std::to_string(i)))));
  must(servers.second.sync());
  REQUIRE(*read_file(wal) == before);
  const std::string all = dump(*servers.second);

  TestServer killed(servers.wires, 2);
  std::filesystem::remove_all(killed.folder());
  std::filesystem::copy(servers.second.folder(), killed.folder(),
                        std::filesystem::copy_options::recursive);
  servers.second.stop();
  killed.start_alone();
  must(killed.sync());
  REQUIRE(dump(*killed) == all);
  killed.stop();

  servers.second.start();
  must(servers.first->commit(put("/a/2")));
  must(servers.second.sync());
  REQUIRE(dump(*servers.second) == dump(*servers.first));
}

TEST_CASE("a write for one term is refused in any other, on every server") {
  ThreeServers servers;
  const uint64_t leader = servers.first.wait_for_leader();
  Write write = put("/fenced");
  write.only_in_term = servers.of(leader)->leadership().term;
  must(servers.of(leader)->commit(write));
  write.key = "/other";
  write.only_in_term = *write.only_in_term + 1;
  for (TestServer* server : servers.all()) {
    CHECK((*server)->commit(write).status().code == 503);
  }
  require_equal(servers);
  CHECK(servers.second->get("/other") == nullptr);
  CHECK(servers.second->get("/fenced") != nullptr);

  TestFolder alone;
  const auto single = open_store(alone);
  write.only_in_term = 0;
  must(single->commit(write));
  write.only_in_term = 1;
  CHECK(single->commit(write).status().code == 503);
}

// libraft tells followers only with its next heartbeat what is agreed on.
TEST_CASE("a sole voter's next life has a term of its own") {
  Wires wires;
  TestServer server(wires, 1);
  server.start(true);
  server.wait_for_leader();
  const uint64_t first = server->leadership().term;
  Write late = put("/a/1");
  late.only_in_term = first;
  must(server->commit(late));
  server.stop();
  server.start();
  server.wait_for_leader();
  CHECK(server->leadership().term > first);
  CHECK(server->commit(late).status().code == 503);
  late.only_in_term = server->leadership().term;
  must(server->commit(late));
}

TEST_CASE("a writer at a follower does not wait for heartbeats") {
  ThreeServers servers;
  TestServer& follower = *servers.others(servers.first.wait_for_leader())[0];
  constexpr int kWrites = 50;
  constexpr std::chrono::milliseconds kHeartbeat{60};
  const MonoTime before = system_clock().monotonic();
  for (int i = 0; i < kWrites; ++i) must(follower->commit(put("/k/" + std::to_string(i))));
  CHECK(system_clock().monotonic() - before < kWrites * kHeartbeat);
}

TEST_CASE("servers are added, promoted, demoted and removed through any of them") {
  ThreeServers servers;
  TestServer fourth(servers.wires, 4);
  for (int i = 0; i < 200; ++i) must(servers.first->commit(put("/k/" + std::to_string(i))));

  CHECK(servers.third.change(Kind::promote, 4).status().code == 404);
  CHECK(servers.third.change(Kind::remove, 4).status().code == 404);
  CHECK(servers.third.change(Kind::add, 4, "server-1").status().code == 400);
  CHECK(servers.third.change(Kind::add, 4, "").status().code == 400);
  CHECK(servers.third.change(Kind::add, 0, "x").status().code == 400);
  fourth.start();
  must(servers.third.change(Kind::add, 4, fourth.address()));
  must(servers.third.change(Kind::add, 4, fourth.address()));  // It has taken effect.
  must(fourth.sync());
  CHECK(dump(*fourth) == dump(*servers.first));
  CHECK(servers.first->members().back() == Member{4, "server-4", false});
  must(fourth->commit(put("/from/a/learner")));

  must(servers.second.change(Kind::promote, 4));
  must(servers.second.change(Kind::demote, 4));
  must(fourth.change(Kind::promote, 4));
  const uint64_t leader = servers.first.wait_for_leader();
  must(fourth.change(Kind::remove, leader));  // Who hands over first.
  CHECK(fourth.wait_for_leader(leader) != leader);
  const auto rest = servers.others(leader);
  must((*rest[0])->commit(put("/without/it")));
  CHECK(servers.of(leader)->commit(put("/from/it")).status().code == 503);
  for (TestServer* gone : rest) must(fourth.change(Kind::remove, gone->id()));
  CHECK(fourth.change(Kind::remove, 4).status().code == 400);
  CHECK(fourth.change(Kind::demote, 4).status().code == 400);
  must(fourth->commit(put("/alone")));
  CHECK(fourth->members() == std::vector<Member>{{4, "server-4", true}});
}

// libraft goes on trying every server that it ever sent something to.
TEST_CASE("who was removed is not dialled any more, and who is down ever more seldom") {
  ThreeServers servers;
  const uint64_t leader = servers.first.wait_for_leader();
  TestServer& left = servers.of(leader);
  TestServer &gone = *servers.others(leader)[0], &down = *servers.others(leader)[1];
  gone.stop();
  servers.wires.dials(leader, gone.id(), servers.wires.dials(leader, gone.id()).size() + 1);
  must(left.change(Kind::remove, gone.id()));
  const size_t gone_before = servers.wires.dials(leader, gone.id()).size();
  const size_t before = servers.wires.dials(leader, down.id()).size();
  down.stop();
  const auto dials = servers.wires.dials(leader, down.id(), before + 4);
  const auto waited_ms = [&](size_t i) {
    const auto waited = dials[before + i] - dials[before + i - 1];
    return std::chrono::duration_cast<std::chrono::milliseconds>(waited).count();
  };
  CHECK(waited_ms(2) > waited_ms(1) + 100);
  CHECK(waited_ms(3) > waited_ms(2) + 200);
  CHECK(servers.wires.dials(leader, gone.id()).size() <= gone_before + 1);
  down.start();
  must(down->commit(put("/back")));
}

TEST_CASE("a server is found again at another address") {
  ThreeServers servers;
  const uint64_t leader = servers.first.wait_for_leader();
  TestServer& moved = *servers.others(leader)[0];
  moved.stop();
  moved.move_to("elsewhere");
  must(servers.of(leader)->commit(put("/meanwhile")));
  moved.start();
  must(moved.sync());
  CHECK(moved->get("/meanwhile") != nullptr);
  must(servers.of(leader).change(Kind::add, moved.id(), "elsewhere"));
  for (const Member& member : servers.of(leader)->members()) {
    if (member.server == moved.id()) CHECK(member == Member{moved.id(), "elsewhere", true});
  }
}

TEST_CASE("a single server's state grows into a replicated one") {
  Wires wires;
  TestServer first(wires, 1), second(wires, 2);
  int64_t revision = 0;
  {
    Options alone = first.options();
    alone.replication = nullptr;
    const auto store = open_store(alone);
    for (int i = 0; i < 100; ++i) must(store->commit(put("/old/" + std::to_string(i))));
    must(store->commit(remove("/old/7")));
    revision = store->revision();
  }
  first.start(true);
  first.wait_for_leader();
  CHECK(first->revision() == revision);
  CHECK(must(first->commit(put("/new"))).revision == revision + 1);
  second.start();
  must(first.change(Kind::add, 2, "server-2"));
  must(second.sync());
  CHECK(dump(*second) == dump(*first));
  CHECK(second->count("/old/") == 99);
}

TEST_CASE("what is written while the first copy of the state is on its way is not lost") {
  Wires wires;
  TestServer server(wires, 1);
  server.start(true);
  std::vector<std::thread> writers;
  for (int writer = 0; writer < 16; ++writer) {
    writers.emplace_back([&server, writer] {
      const std::string folder = "/new/" + std::to_string(writer) + "-";
      for (int i = 0; i < 30; ++i) must(server->commit(put(folder + std::to_string(i))));
    });
  }
  for (std::thread& writer : writers) writer.join();
  const std::string state = dump(*server);
  server.stop();
  server.start();
  server.wait_for_leader();
  must(server.sync());
  CHECK(dump(*server) == state);
}

TEST_CASE("a store is opened only as what it is") {
  Wires wires;
  TestServer server(wires, 1), single(wires, 2);
  server.start(true);
  server.wait_for_leader();
  must(server->commit(put("/a")));
  server.stop();
  Options alone = server.options();
  alone.replication = nullptr;
  const auto refused = Store::open(alone, tag_by_key);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.status().message.find("several servers") != std::string::npos);
  // Its table says so, too.
  std::filesystem::remove_all(server.folder() + "/raft");
  CHECK_FALSE(Store::open(alone, tag_by_key).ok());
  const auto lost = Store::open(server.options(), tag_by_key);
  REQUIRE_FALSE(lost.ok());
  CHECK(lost.status().message.find("the log of this server is gone") != std::string::npos);

  Options state = single.options();
  state.replication = nullptr;
  must(open_store(state)->commit(put("/a")));
  const auto joins = Store::open(single.options(), tag_by_key);
  REQUIRE_FALSE(joins.ok());
  CHECK(joins.status().message.find("single server") != std::string::npos);
  CHECK(open_store(state)->get("/a") != nullptr);  // Nothing became of it.
}

bool any_file_has(const std::string& folder, const std::string& text) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(file)), {});
    if (bytes.find(text) != std::string::npos) return true;
  }
  return false;
}

TEST_CASE("nothing secret lies in the log or in copies of the state as it is") {
  const Turning cipher;
  Wires wires;
  TestServer first(wires, 1), second(wires, 2);
  first.options().cipher = second.options().cipher = &cipher;
  first.start(true);
  first.wait_for_leader();
  must(first->commit(put("/secrets/a", "hush-before")));
  must(first->commit(put("/plain", "loud-before")));
  first.stop();
  first.start();
  first.wait_for_leader();
  second.start();
  must(first.change(Kind::add, 2, "server-2"));  // By a copy.
  must(second.sync());
  must(second->commit(put("/secrets/b", "hush-after")));
  must(second->commit(put("/plain", "loud-after")));
  must(first.sync());
  CHECK(first->get("/secrets/b")->bytes.find("hush-after") != std::string::npos);
  CHECK(second->get("/secrets/a")->bytes.find("hush-before") != std::string::npos);
  for (TestServer* server : {&first, &second}) {
    server->stop();
    CHECK_FALSE(any_file_has(server->folder(), "hush"));
    CHECK(any_file_has(server->folder() + "/raft", "hsuh"));
    CHECK(any_file_has(server->folder() + "/raft", "loud-after"));
  }
}

}  // namespace
}  // namespace orch::store
