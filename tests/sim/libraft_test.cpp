// What libraft does not bear by itself (docs/adr/0006), each a test by its name.
#include "script.h"

namespace orch::sim {
namespace {

// What the others agreed on is applied before the disk here has it. A copy of the state that takes
// its place then must not make libraft miss that it got there.
TEST_CASE("a copy of the state that is further than the disk") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& leader = servers.leader();
    Server& behind = servers.another(leader);
    servers.write_many(leader, 20);
    servers.must_be_equal();  // A first copy is written.
    servers.write_many(leader, 20);
    servers.must_be_equal();
    servers.cut_off(behind);
    servers.write_many(leader, 30);
    servers.world().chances.slow_write = 1000;
    servers.cut_off(behind, false);  // It gets all of them at once.
    servers.run_until([&] { return behind.replica().applied() == leader.replica().applied(); });
    servers.world().chances = {};  // The copy is written sooner than they are.
    servers.run_for(2000);
    servers.at(6 - leader.id() - behind.id()).crash(false);  // Now its word is needed.
    servers.write_many(leader, 5);
  }
}

// When a copy is written, libraft asks at once whether the next is due: by the rule of this one,
// which was made early because of the entries' bytes, it always was while somebody wrote.
TEST_CASE("a copy of the state that leads to the next one") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& leader = servers.leader();
    servers.write_many(leader, 5);
    servers.must_be_equal();
    servers.run_for(200);  // The first copy is written.
    const uint64_t before = leader.disk().copies;
    servers.write(leader, "/k/large", std::string(32u << 10, 'x'));
    servers.write_many(leader, 30);
    REQUIRE(leader.disk().copies == before + 1);
  }
}

// Of two that need each other's votes one has the longer log, the other the higher term.
TEST_CASE("a vote that is needed of a server with a higher term") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& old_leader = servers.leader();
    const uint64_t term = old_leader.replica().term();
    servers.write_many(old_leader, 5);
    servers.must_be_equal();
    servers.cut_off(old_leader);
    Server* high = nullptr;  // Asks for votes, and then nobody hears it.
    servers.run_until([&] {
      for (uint64_t id = 1; id <= 3; ++id) {
        if (servers.at(id).replica().term() > term) high = &servers.at(id);
      }
      return high != nullptr;
    });
    servers.cut_off(old_leader, false);
    servers.cut_off(*high);
    servers.run_until([&] { return high->replica().term() >= term + 4; });
    servers.write(servers.leader(), "/k/a", "agreed on");
    for (uint64_t id = 1; id <= 3; ++id) servers.at(id).crash(false);
    servers.cut_off(*high, false);
    high->start();
    Server& longer = servers.another(*high);  // The third one is gone.
    longer.start();
    REQUIRE(servers.read(servers.leader(), "/k/a") == "agreed on");
    servers.write(longer, "/k/a", "after");
  }
}

// libraft's follower has a timer for that, which is up to twice as long.
TEST_CASE("who has heard no leader for an election's time votes for another") {
  uint64_t all_ms = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& leader = servers.leader();
    Server& slow = servers.another(leader);
    servers.must_be_equal();
    slow.replica().set_election_ms(2000);
    leader.crash(false);
    const uint64_t before = servers.world().now();
    servers.leader();
    all_ms += servers.world().now() - before;
  }
  CHECK(all_ms / kSeeds < 2000 + 2 * 300);  // The other asks every 300 to 600 ms.
}

// While a copy of the state of one term is read to be sent, one of a later term takes its place.
TEST_CASE("a copy of the state that is sent in another's place") {
  for (uint64_t seed = 1; seed <= 4 * kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& behind = servers.another(servers.leader());
    servers.must_be_equal();
    servers.cut_off(behind);
    servers.write_many(servers.leader(), 60);
    Server& old_leader = servers.leader();
    old_leader.crash(false);  // The copies that there are are of its term.
    old_leader.start();
    // The next one is due soon.
    while (servers.leader().replica().applied() < 80) servers.write_many(servers.leader(), 1);
    servers.world().chances.slow_write = 1000;
    servers.write_many(servers.leader(), static_cast<int>(servers.world().below(4)));
    servers.cut_off(behind, false);
    servers.write_many(servers.leader(), 5);
    servers.world().chances = {};
    servers.must_be_equal();
  }
}

// What a function that is called next finds where it has set nothing.
[[gnu::noinline]] void fill_stack() {
  volatile char bytes[32 << 10];
  for (volatile char& byte : bytes) byte = 0x3f;
}

// libraft leaves it to chance what is answered to that. Who sent it, and leads again, took entries
// for stored that were not (Ballots hears it).
TEST_CASE("a copy of the state that comes from an earlier term") {
  Servers servers(1, 3);
  Server& leader = servers.leader();
  Server& other = servers.another(leader);
  servers.write_many(leader, 10);
  servers.run_for(1000);  // The first copy is made.
  servers.must_be_equal();
  raft_message copy{};
  copy.type = RAFT_INSTALL_SNAPSHOT;
  copy.install_snapshot.term = leader.replica().term() - 1;
  copy.install_snapshot.last_index = 1;
  copy.install_snapshot.last_term = 1;
  raft_configuration_init(&copy.install_snapshot.conf);
  for (uint64_t id = 1; id <= 3; ++id) {
    const std::string address = std::to_string(id);
    REQUIRE(raft_configuration_add(&copy.install_snapshot.conf, id, address.c_str(), RAFT_VOTER) ==
            0);
  }
  const Letter letter(copy);
  raft_configuration_close(&copy.install_snapshot.conf);
  fill_stack();
  other.take_letter(leader.id(), letter);
  servers.write(leader, "/k/after", "x");
  servers.must_be_equal();
}

// A leader that looks how far another is sends it nothing any more when it hears too late that it
// lacked what it has.
TEST_CASE("a refusal that comes late") {
  Servers servers(1, 3);
  Server& leader = servers.leader();
  Server& other = servers.another(leader);
  servers.write_many(leader, 5);
  servers.run_for(1000);  // The first copy is made.
  servers.write_many(leader, 5);
  servers.must_be_equal();
  const uint64_t last = other.disk().last();
  servers.cut_off(other);
  servers.run_for(1000);  // The leader only looks now whether it is there.
  servers.cut_off(other, false);
  raft_message late{};
  late.type = RAFT_APPEND_ENTRIES_RESULT;
  late.append_entries_result.term = leader.replica().term();
  late.append_entries_result.rejected = last;
  late.append_entries_result.last_log_index = last - 1;
  leader.take_letter(other.id(), Letter(late));
  servers.write(leader, "/k/after", "x");
  servers.must_be_equal();
}

// A leader sends again what isn't on a server's disk, at most up to the next change of the members
// (as all it sends): less than what that server knows to be agreed on. A copy of the state would
// be made under the number of the message's last entry, and the log behind a first copy be gone.
TEST_CASE("what is agreed on doesn't go back with entries that come again") {
  Servers servers(1, 3);
  Server& leader = servers.leader();
  Server& follower = servers.another(leader);
  servers.write_many(leader, 5);
  servers.must_be_equal();
  const uint64_t agreed_on = follower.replica().agreed_on();
  raft_message again{};
  again.type = RAFT_APPEND_ENTRIES;
  again.append_entries.term = follower.replica().term();
  again.append_entries.prev_log_index = again.append_entries.prev_log_term = 1;
  again.append_entries.leader_commit = agreed_on + 1;
  follower.take_letter(leader.id(), Letter(again));
  REQUIRE(follower.replica().agreed_on() == agreed_on);
  servers.write(leader, "/k/after", "x");
  servers.must_be_equal();
}

}  // namespace
}  // namespace orch::sim
