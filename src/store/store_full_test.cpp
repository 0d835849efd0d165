// A disk that is full for a while beneath a single server's store, and beneath a replica's table.
#include <catch2/catch_test_macros.hpp>

#include "store/faulty_disk.h"

namespace orch::store {
namespace {

TEST_CASE("a full disk refuses a write by name, and takes the next when there is space") {
  TestFolder folder;
  disk().arm(0, Failure::once, SQLITE_OK);
  auto store = *Store::open(options_for(folder, register_vfs()), no_tags);
  Write write;
  write.key = "/a/1";
  write.bytes = "one";
  disk().arm(1, Failure::for_ever, SQLITE_FULL);
  const Status full = store->commit(write).status();
  REQUIRE(full.code == 503);
  REQUIRE(full.message.find("no space left") != std::string::npos);
  REQUIRE(full.message.find(folder.path()) != std::string::npos);
  REQUIRE(store->get("/a/1") == nullptr);
  REQUIRE(store->revision() == 1);
  REQUIRE(store->health() == Health::full);
  disk().arm(0, Failure::once, SQLITE_OK);
  REQUIRE(store->commit(write)->revision == 2);
  REQUIRE(store->health() == Health::good);
}

TEST_CASE("a replica whose disk was full looks for space before its relaxed writes' time") {
  TestFolder folder;
  FakeClock clock;
  Options options = options_for(folder, register_vfs());
  options.clock = &clock;
  options.relaxed_flush_ms = 300'000;
  disk().arm(0, Failure::once, SQLITE_OK);
  auto table = *Table::open(options, Table::Truth::log);
  Table::Loaded loaded = *table->load(no_tags);
  Machine machine(options, std::move(table), std::move(loaded));
  const auto write = [&](const char* key) {
    std::vector<Proposal> batch;
    batch.push_back({put(key), [](const Result<Committed>& done) { REQUIRE(done.ok()); }});
    machine.apply(std::move(batch), "note");
  };
  disk().arm(1, Failure::for_ever, SQLITE_FULL);
  write("/a/1");
  write("/a/2");
  REQUIRE(machine.health() == Health::full);
  REQUIRE(machine.flush_at() <= clock.monotonic() + std::chrono::seconds(30));
  disk().arm(0, Failure::once, SQLITE_OK);
  machine.flush();
  REQUIRE(machine.health() == Health::good);
  REQUIRE_FALSE(machine.flush_at());
}

TEST_CASE("a disk that is full when the index of the write-ahead log grows has not failed") {
  TestFolder folder;
  disk().arm(0, Failure::once, SQLITE_OK);
  Options options = options_for(folder, register_vfs());
  options.checkpoint_bytes = options.max_wal_bytes = 1u << 30;
  auto store = *Store::open(options, no_tags);
  disk().refuse_to_share(true);
  Result<Committed> done = service_unavailable("");
  for (int i = 0; i < 100; ++i) {
    done = store->commit(put("/a/" + std::to_string(i), std::string(200'000, 'x')));
    if (!done.ok()) break;
  }
  disk().refuse_to_share(false);
  REQUIRE_FALSE(done.ok());
  REQUIRE(done.status().message.find("no space left") != std::string::npos);
  REQUIRE(store->health() == Health::full);
  REQUIRE(store->commit(put("/b")).ok());
  REQUIRE(store->health() == Health::good);
}

}  // namespace
}  // namespace orch::store
