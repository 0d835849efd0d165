// The disk of a replicated log is full for a while: whoever writes is told, and it heals by itself.
#include <filesystem>

#include "faults_fixture.h"

namespace orch::store {
namespace {

TEST_CASE("a full disk of the log refuses writes by name, and heals by itself") {
  Alone alone;
  faults::watch(alone.folder.path(), "/raft/");
  auto store = *alone.open();
  const std::string large(1u << 20, 'x');
  // The first copy of the state needs room, too.
  while (!alone.has_copy()) must(store->commit(put("/a/0", "x")));
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

// Until its health is another.
void wait_while(Store& store, Health health) {
  while (store.health() == health) {
    std::promise<void> seen;
    store.sync([&](const Result<void>&) { seen.set_value(); });
    seen.get_future().get();
  }
}

// `copied`: with a copy of the state in the log, or before there is one.
void start_on_a_full_disk(bool copied) {
  Alone alone;
  faults::watch(alone.folder.path(), "");
  auto store = *alone.open();
  do {
    must(store->commit(put("/a/0")));
  } while (copied && !alone.has_copy());
  close_in_time(std::move(store));
  faults::set_full(true);
  auto again = alone.open();
  if (!again.ok()) FAIL(again.status().message);
  store = *std::move(again);
  CHECK(store->get("/a/0") != nullptr);
  CHECK(store->commit(put("/a/no")).status().code == 503);
  CHECK(store->health() == Health::full);
  faults::set_full(false);
  wait_while(*store, Health::full);
  must(store->commit(put("/a/yes")));
  CHECK(store->get("/a/no") == nullptr);
  close_in_time(std::move(store));
  faults::unwatch();
}

TEST_CASE("a server starts on a full disk, is read, and heals by itself") {
  start_on_a_full_disk(true);
}

TEST_CASE("a server that has just begun its log starts on a full disk") {
  start_on_a_full_disk(false);
}

TEST_CASE("a replica whose table alone has no room takes writes, and says nothing else") {
  Alone alone;
  auto store = *alone.open();
  must(store->commit(put("/a/0")));
  faults::watch(alone.folder.path(), "/orch.db");
  faults::set_full(true);
  for (int i = 0; i < 3; ++i) {
    must(store->commit(put("/a/" + std::to_string(i), std::string(1u << 20, 'x'))));
    CHECK(store->health() == Health::good);
  }
  const std::string before = dump(*store);
  close_in_time(std::move(store));
  faults::set_full(false);
  store = *alone.open();
  CHECK(dump(*store) == before);
  close_in_time(std::move(store));
  faults::unwatch();
}

TEST_CASE("a quota that is used up at a COMMIT is a full disk") {
  TestFolder folder;
  auto store = open_store(folder);
  must(store->commit(put("/a/0")));
  faults::watch(folder.path(), "/orch.db-wal");
  faults::arm(Fault::quota, 1);
  const Status full = store->commit(put("/a/no")).status();
  CHECK(full.message.find("no space left") != std::string::npos);
  CHECK(store->health() == Health::full);
  must(store->commit(put("/a/yes")));
  CHECK(store->health() == Health::good);
  faults::unwatch();
}

TEST_CASE("a log of large objects is cut by its bytes") {
  namespace fs = std::filesystem;
  Alone alone;
  auto store = *alone.open();
  uintmax_t most = 0;
  for (int i = 0; i < 200; ++i) {
    must(store->commit(put("/a/" + std::to_string(i % 3), std::string(1u << 20, 'x'))));
    uintmax_t bytes = 0;
    std::error_code gone;
    for (const auto& file : fs::directory_iterator(alone.folder.path() + "/raft")) {
      const uintmax_t size = file.file_size(gone);
      if (!gone) bytes += size;
    }
    most = std::max(most, bytes);
  }
  CHECK(most < 140u << 20);
  close_in_time(std::move(store));
}

TEST_CASE("a leader whose table alone has no room, and misses much, hands over and tries then") {
  ThreeServers servers;
  for (TestServer* server : servers.all()) {
    server->options().relaxed_flush_ms = 200;  // After which it tries again.
    server->stop();
    server->start();
    must(server->sync());
  }
  const uint64_t lead = servers.first.wait_for_leader();
  TestServer &full = servers.of(lead), &other = *servers.others(lead).front();
  faults::watch(full.folder(), "/orch.db");
  faults::set_full(true);
  for (int i = 0; i < 2000; ++i) must(other->commit(put("/a/" + std::to_string(i))));
  other.wait_for_leader(lead);
  faults::set_full(false);
  must(full.sync());
  must(full->commit(put("/a/yes")));
  must(other.sync());
  CHECK(dump(*full) == dump(*other));
  faults::unwatch();
}

// Writes through another server until the disk of one is full, 40 MB at least; then there is space.
// To few keys: what the table misses is soon written, and nobody is elected because of it.
void fill(TestServer& full, TestServer& other, const std::string& part) {
  faults::watch(full.folder(), part);
  faults::set_full(true);
  const std::string large(1u << 20, 'x');
  for (int i = 0; i < 40 || full->health() != Health::full; ++i) {
    must(other->commit(put("/a/" + std::to_string(i % 3), large)));
  }
  faults::set_full(false);
}

TEST_CASE("to wait for space is not to be slow: the next leader is elected as soon as ever") {
  ThreeServers servers;
  const uint64_t lead = servers.first.wait_for_leader();
  TestServer &full = *servers.others(lead).front(), &other = *servers.others(lead).back();
  fill(full, other, "/raft/");
  must(full.sync());
  servers.wires.cut(lead);
  const MonoTime began = system_clock().monotonic();
  other.wait_for_leader(lead);
  CHECK(system_clock().monotonic() - began < std::chrono::seconds(4));
  faults::unwatch();
}

TEST_CASE("a leader whose table waited for space hands over before it writes what it kept") {
  ThreeServers servers;
  const uint64_t lead = servers.first.wait_for_leader();
  TestServer &full = servers.of(lead), &other = *servers.others(lead).front();
  fill(full, other, "");
  other.wait_for_leader(lead);
  must(full.sync());
  must(full->commit(put("/a/yes")));
  CHECK(full->health() == Health::good);
  must(other.sync());
  CHECK(dump(*full) == dump(*other));
  faults::unwatch();
}

}  // namespace
}  // namespace orch::store
