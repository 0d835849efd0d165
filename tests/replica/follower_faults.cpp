// One of several servers lives with a disk that fails at every single operation on its log's files.
#include <algorithm>
#include <future>
#include <thread>

#include "faults_fixture.h"

namespace orch::store {
namespace {

// A server that lived with a failing disk, and one whose disk is sound.
struct Lived {
  TestServer& server;
  TestServer& other;
};

void stop_in_time(TestServer& server) {
  const MonoTime began = system_clock().monotonic();
  server.stop();
  CHECK(system_clock().monotonic() - began < kCloses);
}

// On a sound disk. False when it says that it is damaged.
bool starts_again(const Lived& lived, Fault fault) {
  const Result<void> again = lived.server.try_start();
  if (!again.ok()) {
    INFO(again.status().message);
    CHECK(may_refuse(again.status(), fault));
    return false;
  }
  const auto is_server = [&](const Member& each) { return each.server == lived.server.id(); };
  if (!std::ranges::any_of(lived.other->members(), is_server)) return true;
  must(lived.other.sync());
  const Result<void> synced = lived.server.sync();
  if (!synced) FAIL_CHECK(synced.status().message);
  const bool is_same = dump(*lived.server) == dump(*lived.other);
  CHECK(is_same);
  return true;
}

// `live` for every n until no operation fails any more; with servers that were never there before
// where one is damaged, and where it joins: the number of a server that was removed never comes
// again.
template <class Servers>
void fail_every_operation(Lived (*live)(Servers&, Fault, int, Outcomes*), Fault fault, bool power,
                          int shift = 0) {
  std::unique_ptr<Servers> servers;
  Outcomes outcomes;
  int n = 1, refused = 0, last = 0;
  for (;; n += every) {
    if (!servers) {
      servers = std::make_unique<Servers>();
      outcomes = {};
    }
    const Lived lived = live(*servers, fault, n, &outcomes);
    stop_in_time(lived.server);
    last = faults::operations();
    INFO("operation " << n << ": " << faults::failed_operation());
    if (power) faults::lose_power((n + shift) % 9);
    faults::arm(Fault::none, 0);
    const bool starts = starts_again(lived, fault);
    outcomes.check(*lived.other);
    faults::unwatch();
    if (!starts) ++refused;
    if (!starts || Servers::kOnce) servers.reset();
    if (last < n) break;
  }
  std::printf("%d operations failed, %d starts refused\n", n - 1, refused);
  CHECK(n > 10);
}

// --- A follower that is started again.

struct Three : ThreeServers {
  static constexpr bool kOnce = false;
};

Lived restart(Three& servers, Fault fault, int n, Outcomes* outcomes) {
  servers.third.stop();
  faults::watch(servers.third.folder(), "/raft/");
  faults::arm(fault, n);
  if (servers.third.try_start().ok()) {
    work(*servers.first, n * 10, 4, outcomes);
    (void)servers.third.sync();
    work(*servers.third, n * 10 + 4, 4, outcomes);
  }
  return {servers.third, servers.first};
}

TEST_CASE("a follower's log: each operation fails once") {
  fail_every_operation(restart, Fault::once, false);
}

TEST_CASE("a follower's log: power is lost at each operation") {
  fail_every_operation(restart, Fault::for_ever, true);
}

// --- A leader that was cut off: what it alone has, in a file with entries that stay, another
// leader's entries replace.

Lived truncate(Three& servers, Fault fault, int n, Outcomes* outcomes) {
  must(servers.first.sync());
  TestServer& server = servers.of(servers.first.wait_for_leader());
  TestServer& other = *servers.others(server.id()).front();
  work(*server, n * 10, 2, outcomes);
  faults::watch(server.folder(), "/raft/");
  faults::arm(Fault::none, 0);
  servers.wires.cut(server.id());
  const Write write = put("/a/alone", std::to_string(n));
  std::promise<Result<Committed>> told;
  server->commit(write, [&](Result<Committed> done) { told.set_value(std::move(done)); });
  while (faults::operations() == 0) std::this_thread::yield();  // Until it is written.
  TestServer& leader = servers.of(other.wait_for_leader(server.id()));
  work(*leader, n * 10 + 2, 4, outcomes);
  faults::arm(fault, n);
  servers.wires.heal();
  (void)server.sync();
  stop_in_time(server);
  outcomes->note(write, told.get_future().get());
  return {server, other};
}

TEST_CASE("entries that another leader replaced: each operation fails once") {
  fail_every_operation(truncate, Fault::once, false);
}

TEST_CASE("entries that another leader replaced: power is lost at each operation") {
  fail_every_operation(truncate, Fault::for_ever, true);
}

TEST_CASE("entries that another leader replaced: power is lost in each write", "[.long]") {
  fail_every_operation(truncate, Fault::torn, true);
}

TEST_CASE("entries that another leader replaced: every part of what was not synced", "[.long]") {
  for (int shift = 1; shift < 9; ++shift) {
    fail_every_operation(truncate, Fault::for_ever, true, shift);
    fail_every_operation(truncate, Fault::torn, true, shift);
  }
}

// --- One that joins.

struct Two {
  static constexpr bool kOnce = true;
  Two() {
    first.start(true);
    first.wait_for_leader();
  }
  Wires wires;
  TestServer first{wires, 1}, second{wires, 2};
};

Lived join(Two& servers, Fault fault, int n, Outcomes* outcomes) {
  faults::watch(servers.second.folder(), "/raft/");
  faults::arm(fault, n);
  if (servers.second.try_start().ok()) {
    must(servers.first.change(MemberChange::Kind::add, 2, servers.second.address()));
    work(*servers.first, n * 10, 4, outcomes);
    (void)servers.second.sync();
  }
  return {servers.second, servers.first};
}

TEST_CASE("a joining server's log: each operation fails once") {
  fail_every_operation(join, Fault::once, false);
}

TEST_CASE("a joining server's log: power is lost in the midst of each write", "[.long]") {
  fail_every_operation(join, Fault::torn, true);
}

}  // namespace
}  // namespace orch::store
