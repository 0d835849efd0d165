// What takes the place of a log that got long: marks of the table, and copies of the whole state.
#include "script.h"

namespace orch::sim {
namespace {

// libraft takes what a mark stands for as applied; the table may have less of it.
TEST_CASE("a loss of power between a mark and the next takes nothing away") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 1);
    Server& server = servers.at(1);
    servers.leader();
    for (int i = 0; i < 12; ++i) {
      const uint64_t before = server.disk().copies;
      while (server.disk().copies == before) servers.write_many(server, 1);
      servers.write_many(server, static_cast<int>(servers.world().below(20)));
      const int64_t revision = servers.write(server, "/k/a", std::to_string(i));
      server.crash(true);
      REQUIRE(server.start());
      REQUIRE(servers.read(servers.leader(), "/k/a") == std::to_string(i));
      REQUIRE(server.machine().revision() == revision);
    }
  }
}

// libraft asks for a copy with whatever happens next; where somebody always writes, the next entry
// is under way by then.
TEST_CASE("a first copy while somebody always writes") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 1);
    servers.leader();
    servers.write_many(servers.at(1), 20);
    REQUIRE(servers.at(1).disk().copy.has_value());
  }
}

// The mark would speak of the table of before, and the log lead nowhere from there.
TEST_CASE("a whole state that comes while the table is synced for a mark") {
  for (uint64_t seed = 1; seed <= 4 * kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& behind = servers.another(servers.leader());
    Server& leader = servers.leader();
    servers.write_many(leader, 10);
    servers.run_for(1000);
    behind.slow_asides(900);
    const uint64_t due = behind.disk().copy->index + 42;
    while (behind.replica().applied() < due) servers.write_many(leader, 1);
    servers.cut_off(behind);
    const uint64_t marks = leader.disk().copies;
    while (leader.disk().copies < marks + 2) servers.write_many(leader, 1);
    servers.cut_off(behind, false);
    servers.must_be_equal();
    const uint64_t before = behind.disk().copies;
    while (behind.disk().copies == before) servers.write_many(servers.leader(), 1);
    behind.crash(true);
    REQUIRE(behind.start());
    servers.must_be_equal();
  }
}

// Who gets it has entries in it that libraft hands out afterwards.
TEST_CASE("a copy that is further than libraft takes it for") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& behind = servers.another(servers.leader());
    servers.must_be_equal();
    servers.cut_off(behind);
    servers.write_many(servers.leader(), 75);  // Well beyond the last mark.
    servers.cut_off(behind, false);
    servers.must_be_equal();
    REQUIRE(behind.replica().copied() > 0);
    behind.crash(true);
    REQUIRE(behind.start());
    servers.must_be_equal();
    servers.write(behind, "/k/a", "after");
    servers.must_be_equal();
  }
}

TEST_CASE("a server whose table fails takes no part once its log is long") {
  Servers servers(1, 3);
  Server& failing = servers.another(servers.leader());
  servers.must_be_equal();
  servers.run_for(1000);
  failing.fail_table();
  servers.write_many(servers.leader(), 5);
  servers.must_be_equal();  // The log has them.
  REQUIRE_FALSE(failing.replica().broken().has_value());
  servers.write_many(servers.another(failing), 60);
  REQUIRE(failing.replica().broken().has_value());
  REQUIRE(failing.replica().broken()->message.find("table can't be written") != std::string::npos);
  servers.write(servers.another(failing), "/k/a", "goes on");
}

}  // namespace
}  // namespace orch::sim
