// What happened to changes of which servers there are, each a test by its name.
#include "script.h"
#include "store/entry.h"
#include "store/peers.h"

namespace orch::sim {
namespace {

using Kind = store::MemberChange::Kind;

TEST_CASE("a sole voter's entries that a learner has and it has not") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 1);
    Server& voter = servers.leader();
    Server& learner = servers.add();
    servers.write_many(voter, 5);
    REQUIRE(servers.change(voter, Kind::add, learner) == 0);
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
    REQUIRE(servers.change(leader, Kind::add, learner) == 0);
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
    REQUIRE(servers.change(leader, Kind::add, learner) == 0);
    servers.write_many(leader, 5);
    servers.must_be_equal();
    servers.cut_off(learner);
    REQUIRE(servers.change(leader, Kind::promote, learner) == 0);
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
    const store::MemberChange change{Kind::remove, removed.id(), ""};
    old_leader.change_members(change, [](const auto&) {});
    servers.run_for(100);
    if (old_leader.replica().leads()) {
      // Who asks again hears nothing of what is only wished.
      REQUIRE(servers.change(old_leader, Kind::remove, removed) == 409);
    }
    servers.run_for(3000);
    servers.cut_off(old_leader, false);
    servers.run_for(3000);
    const bool is_member = servers.leader().replica().membership().has(removed.id());
    REQUIRE(removed.replica().broken().has_value() != is_member);
  }
}

TEST_CASE("a change that a leader of before refuses, for it has the members of before") {
  int asked = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& learner = servers.add();
    Server& old_leader = servers.leader();
    servers.write_many(old_leader, 5);
    servers.run_for(100);  // A copy of the state is written.
    servers.cut_off(old_leader);
    Server& other = servers.at(old_leader.id() % 3 + 1);
    for (uint64_t id = 1; id <= 3; ++id) {
      if (id != old_leader.id()) servers.at(id).jump(1000);  // They look for a leader at once.
    }
    const auto led_by = [&] { return other.replica().leader(); };
    servers.run_until([&] { return led_by() != 0 && led_by() != old_leader.id(); });
    REQUIRE(servers.change(other, Kind::add, learner) == 0);
    if (!old_leader.replica().leads()) continue;  // It has noticed already.
    ++asked;
    std::optional<Result<void>> answer;
    old_leader.change_members({Kind::promote, learner.id(), ""},
                              [&](const Result<void>& result) { answer = result; });
    servers.run_for(50);
    servers.cut_off(old_leader, false);
    servers.run_until([&] { return answer.has_value(); });
    REQUIRE(answer->ok());
  }
  REQUIRE(asked > 0);
}

// Who has a change goes by it, and may be the only one who does.
TEST_CASE("a demotion that only the demoted has") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 2);
    Server& leader = servers.leader();
    Server& demoted = servers.another(leader);
    servers.write_many(leader, 5);
    servers.must_be_equal();
    servers.run_for(100);   // A copy of the state is written.
    leader.set_full(true);  // Its own writes wait; those to the other don't.
    leader.change_members({Kind::demote, demoted.id(), ""}, [](const auto&) {});
    servers.run_for(200);
    leader.crash(true);
    leader.set_full(false);
    leader.start();
    servers.write(leader, "/k/a", "after");
    servers.must_be_equal();
  }
}

TEST_CASE("a change of the members that is heard again after it was undone") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& changed = servers.another(servers.leader());
    servers.world().chances = {.repeat = 1000, .slow_message = 100};
    for (int round = 0; round < 10; ++round) {
      Server& asked = servers.at(6 - changed.id() - servers.leader().id());
      if (servers.leader().id() == changed.id()) break;
      if (servers.change(asked, Kind::demote, changed) != 0) continue;
      while (servers.change(servers.leader(), Kind::promote, changed) != 0) {
      }
      servers.run_for(2000);
      for (const store::Member& member : servers.leader().replica().membership().members()) {
        REQUIRE(member.voter);
      }
    }
  }
}

TEST_CASE("a removed server's last batch, which comes again when nobody remembers it") {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    Servers servers(seed, 3);
    Server& gone = servers.another(servers.leader());
    servers.write(gone, "/k/a", "once");
    REQUIRE(servers.change(servers.leader(), Kind::remove, gone) == 0);
    gone.excuse();
    servers.run_for(2000);
    gone.die();
    Server& leader = servers.leader();
    const int64_t revision = servers.write(leader, "/k/a", "after");
    REQUIRE(leader.replica().progress().last_of(gone.id()).boot == 0);
    REQUIRE(leader.replica().progress().last_of(leader.id()).boot != 0);
    const store::Write write = put("/k/a", "once");
    const store::Write* const writes[] = {&write};
    std::string late;
    store::pack_number(static_cast<uint64_t>(store::PeerMessage::batch), &late);
    late += store::encode_entry({gone.id(), 1, 1}, writes);
    leader.replica().receive(gone.id(), late);
    leader.turn();
    servers.run_for(2000);
    REQUIRE(leader.machine().revision() == revision);
    REQUIRE(servers.read(leader, "/k/a") == "after");
  }
}

}  // namespace
}  // namespace orch::sim
