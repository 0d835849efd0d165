// The disk beneath a replicated log fails, at every single operation on the log's files: once, for
// ever, with a loss of power that takes back what was not synced or tears what was being written.
// Whatever fails and whenever: the store closes in time, and after a start on a sound disk every
// acknowledged write is there. Here for a sole voter.
//
//   replica_faults [--every=1]: only each so-manieth operation, for a short run.
#include <catch2/catch_session.hpp>

#include "base/log.h"
#include "faults_fixture.h"

namespace orch::store {

int every = 1;

namespace {

// The same for every n until none fails any more. With the power some eighths of what was not
// synced are lost: others for each n, and for each `shift`.
void fail_every_operation(Fault fault, bool power, int shift = 0) {
  int n = 1, last = 0;
  for (;; n += every) {
    Alone alone;
    Outcomes outcomes;
    faults::watch(alone.folder.path(), "/raft/");
    faults::arm(fault, n);
    if (auto store = alone.open(); store.ok()) {
      work(**store, 0, 20, &outcomes);
      close_in_time(*std::move(store));
    }
    last = faults::operations();
    const std::string what = faults::failed_operation();
    INFO("operation " << n << ": " << what);
    if (power) faults::lose_power((n + shift) % 9);
    faults::arm(Fault::none, 0);
    auto again = alone.open();
    if (again.ok()) {
      outcomes.check(**again);
      Outcomes more = outcomes;
      work(**again, 100, 3, &more);
      CHECK(more.acknowledged == outcomes.acknowledged + 3);
      close_in_time(*std::move(again));
    } else {
      FAIL_CHECK(again.status().message);
    }
    faults::unwatch();
    if (last < n) break;
  }
  std::printf("%d operations failed\n", n - 1);
  CHECK(n > 60);
}

TEST_CASE("a sole voter's log: each operation fails once") {
  fail_every_operation(Fault::once, false);
}

TEST_CASE("a sole voter's log: each operation finds no space once") {
  fail_every_operation(Fault::full, false);
}

TEST_CASE("a sole voter's log: each write fails before it is under way") {
  fail_every_operation(Fault::at_once, false);
}

TEST_CASE("a sole voter's log: power is lost at each operation") {
  fail_every_operation(Fault::for_ever, true);
}

TEST_CASE("a sole voter's log: power is lost in the midst of each write") {
  fail_every_operation(Fault::torn, true);
}

TEST_CASE("a sole voter's log: power is lost, with every part of what was not synced", "[.long]") {
  for (int shift = 1; shift < 9; ++shift) {
    fail_every_operation(Fault::for_ever, true, shift);
    fail_every_operation(Fault::torn, true, shift);
  }
}

}  // namespace
}  // namespace orch::store

int main(int count, char** values) {
  orch::log::set_level(orch::log::Level::error);
  std::vector<char*> rest;
  for (int i = 0; i < count; ++i) {
    const std::string text = values[i];
    if (text.starts_with("--every=")) {
      orch::store::every = std::stoi(text.substr(8));
    } else {
      rest.push_back(values[i]);
    }
  }
  return Catch::Session().run(static_cast<int>(rest.size()), rest.data());
}
