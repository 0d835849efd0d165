// The disk beneath a replicated log fails, at every single operation on the log's files: once, for
// ever, with a loss of power that takes back what was not synced or tears what was being written.
// Whatever fails and whenever: the store closes in time, and after a start on a sound disk every
// acknowledged write is there, or the start names what is damaged.
//
//   replica_faults [--every=1]: only each so-manieth operation, for a short run.
#include <algorithm>
#include <catch2/catch_session.hpp>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <filesystem>
#include <set>

#include "base/log.h"
#include "disk_faults.h"
#include "store/damage.h"
#include "store/servers_fixture.h"

namespace orch::store {
namespace {

using faults::Fault;

int every = 1;

// What closing may take: see raft_log.cpp; here nobody takes over, and nothing hangs.
constexpr std::chrono::seconds kCloses{8};

// What was written and what came of it.
struct Expected {
  std::map<std::string, std::set<std::string>> may_be;  // Key → each text it may have; "": none.
  int64_t revision = 0;
  int acknowledged = 0;
};

std::string text_at(Store& store, const std::string& key) {
  const RecordPtr record = store.get(key);
  if (!record) return "";
  const std::string bytes(record->bytes);
  const size_t from = bytes.find("\"data\":\"") + 8;
  return bytes.substr(from, bytes.rfind("\"}") - from);
}

// So many writes, some at once, some large. Ends early when the store says that its disk failed.
void work(Store& store, int from, int count, Expected* expected) {
  for (int step = from; step < from + count; ++step) {
    const std::string key = "/a/" + std::to_string(step % 7);
    const std::string text = std::to_string(step) + std::string(step % 3 == 0 ? 6000 : 50, 'x');
    auto& states = expected->may_be[key];
    if (states.empty()) states = {""};
    const Result<Committed> done = store.commit(put(key, text));
    if (done.ok()) {
      states = {text};
      expected->revision = done->revision;
      ++expected->acknowledged;
      continue;
    }
    REQUIRE((done.status().code == 503 || done.status().code == 504));
    states.insert(text);
  }
}

void check(Store& store, const Expected& expected) {
  CHECK(store.revision() >= expected.revision);
  for (const auto& [key, texts] : expected.may_be) {
    const std::string text = text_at(store, key);
    INFO(key << " is " << text.substr(0, 8));
    CHECK(texts.contains(text));
  }
}

// One voter by itself.
struct Alone {
  Alone() { options.directory = folder.path(); }

  Result<std::unique_ptr<Store>> open() {
    options.replication = &server.replication;
    return Store::open(options, tag_by_key);
  }

  struct Nobody final : PeerStreams {
    Nobody() {
      replication.server = 1;
      replication.address = "server-1";
      replication.begins = true;
      replication.streams = this;
    }
    void connect(uint64_t, const std::string&, StreamUse, Connected done) override {
      done(service_unavailable("nobody is there"));
    }
    Replication replication;
  };
  TestFolder folder;
  Nobody server;
  Options options;
};

void close_in_time(std::unique_ptr<Store> store) {
  const MonoTime began = system_clock().monotonic();
  store->close();
  CHECK(system_clock().monotonic() - began < kCloses);
}

// The same for every n until none fails any more. `eighths`: of what is lost with the power.
void fail_every_operation(Fault fault, bool power) {
  int n = 1, refused = 0, last = 0;
  for (;; n += every) {
    Alone alone;
    Expected expected;
    faults::watch(alone.folder.path(), "/raft/");
    faults::arm(fault, n);
    if (auto store = alone.open(); store.ok()) {
      work(**store, 0, 20, &expected);
      close_in_time(*std::move(store));
    }
    last = faults::operations();
    const std::string what = faults::failed_operation();
    INFO("operation " << n << ": " << what);
    if (power) faults::lose_power(n % 9);
    faults::arm(Fault::none, 0);
    auto again = alone.open();
    if (!again.ok()) {
      INFO(again.status().message);
      CHECK(is_damaged(again.status()));
      ++refused;
    } else {
      check(**again, expected);
      Expected more = expected;
      work(**again, 100, 3, &more);
      CHECK(more.acknowledged == expected.acknowledged + 3);
      close_in_time(*std::move(again));
    }
    faults::unwatch();
    if (last < n) break;
  }
  std::printf("%d operations failed, %d starts refused\n", n - 1, refused);
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

// --- A disk that is full for a while.

TEST_CASE("a full disk of the log refuses writes by name, and heals by itself") {
  Alone alone;
  faults::watch(alone.folder.path(), "/raft/");
  auto store = *alone.open();
  const std::string large(1u << 20, 'x');
  // The first copy of the state needs room, too.
  const auto has_copy = [&] {
    namespace fs = std::filesystem;
    for (const auto& file : fs::directory_iterator(alone.folder.path() + "/raft")) {
      const std::string name = file.path().filename();
      if (name.starts_with("snapshot-") && !name.ends_with(".meta")) return true;
    }
    return false;
  };
  while (!has_copy()) must(store->commit(put("/a/0", "x")));
  must(store->commit(put("/a/0", large)));
  faults::set_full(true);
  Status refused;
  int taken = 0;
  for (; taken < 100; ++taken) {
    const Result<Committed> done = store->commit(put("/a/" + std::to_string(taken), large));
    if (!done) {
      refused = done.status();
      break;
    }
  }
  CHECK(taken > 5);
  CHECK(refused.code == 503);
  CHECK(refused.message.find(alone.folder.path() + "/raft") != std::string::npos);
  CHECK(store->health() == Health::full);
  const int64_t revision = store->revision();
  CHECK(store->commit(put("/a/no", "x")).status().code == 503);
  CHECK(store->get("/a/no") == nullptr);
  CHECK(store->get("/a/0") != nullptr);

  faults::set_full(false);
  const auto look = [&] {
    std::promise<Result<void>> seen;
    store->sync([&](Result<void> result) { seen.set_value(std::move(result)); });
    must(seen.get_future().get());
  };
  while (store->health() == Health::full) look();
  CHECK(store->health() == Health::good);
  CHECK(must(store->commit(put("/a/yes", large))).revision == revision + 1);
  close_in_time(std::move(store));
  store = *alone.open();
  CHECK(store->get("/a/yes") != nullptr);
  CHECK(store->get("/a/no") == nullptr);
  close_in_time(std::move(store));
  faults::unwatch();
}

// --- One of three.

// The third server, a follower that is started again or one that joins, lives with a failing disk.
void fail_a_follower(Fault fault, bool power, bool joins) {
  ThreeServers servers;
  const auto is_member = [&] {
    const auto is_third = [&](const Member& each) { return each.server == servers.third.id(); };
    return std::ranges::any_of(servers.first->members(), is_third);
  };
  // No number comes twice: who has that of a removed server may be told that it was removed.
  const auto leave = [&] {
    const uint64_t id = servers.third.id();
    if (is_member()) must(servers.first.change(MemberChange::Kind::remove, id));
    servers.third.become(id + 1);
  };
  const auto join = [&](MemberChange::Kind kind) {
    must(servers.first.change(kind, servers.third.id(), servers.third.address()));
  };
  const auto rejoin = [&] {
    leave();
    servers.third.start();
    join(MemberChange::Kind::add);
    join(MemberChange::Kind::promote);
  };
  Expected expected;
  int n = 1, refused = 0, last = 0;
  for (;; n += every) {
    servers.third.stop();
    if (joins) leave();
    faults::watch(servers.third.folder(), "/raft/");
    faults::arm(fault, n);
    if (servers.third.try_start().ok()) {
      if (joins) join(MemberChange::Kind::add);
      work(*servers.first, n * 10, 4, &expected);
      (void)servers.third.sync();
      // (Who joins may wait for a copy of the state for as long as a write does.)
      if (!joins) work(*servers.third, n * 10 + 4, 4, &expected);
      const MonoTime began = system_clock().monotonic();
      servers.third.stop();
      CHECK(system_clock().monotonic() - began < kCloses);
    }
    last = faults::operations();
    INFO("operation " << n << ": " << faults::failed_operation());
    if (power) faults::lose_power(n % 9);
    faults::arm(Fault::none, 0);
    const Result<void> again = servers.third.try_start();
    if (again.ok() && is_member()) {
      must(servers.first.sync());
      // When it was stopped while a copy of the state was on its way to it, it hears nothing of its
      // leader before that is sent again, after about the time that a question waits.
      const auto waits = [&] {
        return servers.third->leadership().leader == 0 && servers.third->health() != Health::failed;
      };
      while (joins && waits()) (void)servers.third.sync();
      const Result<void> synced = servers.third.sync();
      if (!synced) FAIL_CHECK(synced.status().message);
      const bool is_same = dump(*servers.third) == dump(*servers.first);
      CHECK(is_same);
    } else if (!again.ok()) {
      INFO(again.status().message);
      CHECK(is_damaged(again.status()));
      ++refused;
    }
    check(*servers.first, expected);
    faults::unwatch();
    if (!again.ok() && !joins) rejoin();
    if (last < n) break;
  }
  std::printf("%d operations failed, %d starts refused\n", n - 1, refused);
  CHECK(n > 10);
}

TEST_CASE("a follower's log: each operation fails once") {
  fail_a_follower(Fault::once, false, false);
}

TEST_CASE("a follower's log: power is lost at each operation") {
  fail_a_follower(Fault::for_ever, true, false);
}

TEST_CASE("a joining server's log: each operation fails once") {
  fail_a_follower(Fault::once, false, true);
}

TEST_CASE("a joining server's log: power is lost in the midst of each write", "[.long]") {
  fail_a_follower(Fault::torn, true, true);
}

// --- Damage.

// Flips a bit here and there in each file of a log, and starts a server with it.
void flip_bits(const std::string& image, const Expected& expected) {
  namespace fs = std::filesystem;
  int starts = 0, refused = 0;
  const auto flip_at = [&](const std::string& name, size_t at, int bit) {
    Alone alone;
    fs::copy(image, alone.folder.path(), fs::copy_options::recursive);
    const std::string path = alone.folder.path() + "/raft/" + name;
    std::string bytes = *read_file(path);
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
    ORCH_CHECK(write_file_whole(path, bytes).ok());
    INFO("bit " << bit << " of byte " << at << " of " << name);
    ++starts;
    auto store = alone.open();
    if (!store.ok()) {
      INFO(store.status().message);
      CHECK(is_damaged(store.status()));
      ++refused;
      return;
    }
    check(**store, expected);
    (*store)->close();
  };
  for (const auto& file : fs::directory_iterator(image + "/raft")) {
    const std::string name = file.path().filename();
    const std::string bytes = *read_file(file.path());
    const size_t used = bytes.find_last_not_of('\0') + 1;  // npos + 1: nothing.
    const size_t stride = std::max<size_t>(1, used / 48) * static_cast<size_t>(every);
    for (size_t at = 0; at < used; at += stride) flip_at(name, at, static_cast<int>(at * 5 % 8));
    if (bytes.size() > used + 4096) flip_at(name, used + 4096, 3);
  }
  std::printf("%d flips, %d starts refused\n", starts, refused);
  CHECK(refused > starts / 4);
}

TEST_CASE("a flipped bit in a log that was closed is named, or does no harm") {
  Alone alone;
  Expected expected;
  auto store = *alone.open();
  work(*store, 0, 20, &expected);
  store->close();
  flip_bits(alone.folder.path(), expected);
}

TEST_CASE("a flipped bit in a log that was being written is named, or does no harm") {
  Alone alone;
  Expected expected;
  auto store = *alone.open();
  work(*store, 0, 20, &expected);
  TestFolder image;
  namespace fs = std::filesystem;
  fs::copy(alone.folder.path(), image.path(), fs::copy_options::recursive);
  for (const auto& file : fs::directory_iterator(image.path() + "/raft")) {
    const std::string name = file.path().filename();
    if (!name.starts_with("open-")) continue;
    const bool is_used = read_file(file.path())->find_first_not_of('\0') != std::string::npos;
    is_used ? fs::resize_file(file.path(), 128u << 10) : (void)fs::remove(file.path());
  }
  store->close();
  flip_bits(image.path(), expected);
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
