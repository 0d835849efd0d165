// The disk beneath the store fails, at the n-th operation for every n, and can lose power. Whatever
// fails and whenever: after a start on a sound disk every acknowledged write is there, nothing is
// torn, and no revision comes twice.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <mutex>

#include "store/faulty_disk.h"
#include "store/outcomes.h"

namespace orch::store {
namespace {

Write some_write(int step) {
  Write write;
  write.key = "/a/" + std::to_string(step % 5);
  const bool remove = step % 7 == 5;
  if (!remove) {
    const size_t size = step % 3 == 0 ? 9000 : 200;  // With and without overflow pages.
    write.bytes =
        std::to_string(step) + ":" + std::string(size, static_cast<char>('a' + step % 26));
  }
  write.durability = step % 4 == 3 ? Durability::relaxed : Durability::durable;
  return write;
}

// Twenty writes. `outcomes` follows what was acknowledged.
void work(Store& store, Outcomes* outcomes) {
  for (int step = 0; step < 20; ++step) {
    const Write write = some_write(step);
    const Result<Committed> result = store.commit(write);
    outcomes->note(write, result);
    if (result.ok()) REQUIRE(text_of(store.get(write.key)) == write.bytes.value_or(""));
  }
}

void check_after_restart(const TestFolder& folder, const Outcomes& outcomes) {
  auto store = Store::open(options_for(folder, ""), no_tags);
  if (!store) FAIL(store.status().message);
  outcomes.check(**store);
  Write more;
  more.key = "/after";
  more.bytes = "sound";
  REQUIRE((*store)->commit(more)->revision > outcomes.revision);
}

// Runs the work with the n-th operation failing, for every n from 1 until none fails any more.
void fail_every_operation(Failure failure, int code) {
  const char* vfs = register_vfs();
  for (int n = 1;; ++n) {
    INFO("operation " << n);
    TestFolder folder;
    Outcomes outcomes;
    disk().arm(n, failure, code);
    if (auto store = Store::open(options_for(folder, vfs), no_tags); store.ok()) {
      work(**store, &outcomes);
    }
    const bool failed = disk().operations() >= n;
    disk().lose_power(n % 9);
    disk().arm(0, Failure::once, SQLITE_OK);
    check_after_restart(folder, outcomes);
    if (!failed) {
      REQUIRE(n > 60);  // The failures did happen.
      return;
    }
  }
}

TEST_CASE("a disk that fails once, at any operation") {
  fail_every_operation(Failure::once, SQLITE_IOERR_WRITE);
}

TEST_CASE("a disk that dies, at any operation") {
  fail_every_operation(Failure::for_ever, SQLITE_IOERR_WRITE);
}

TEST_CASE("a disk that is full for a moment, at any operation") {
  fail_every_operation(Failure::once, SQLITE_FULL);
}

TEST_CASE("after a failed fsync no write succeeds, and reads go on") {
  TestFolder folder;
  disk().arm(0, Failure::once, SQLITE_OK);
  Options options = options_for(folder, register_vfs());
  options.checkpoint_bytes = options.max_wal_bytes =
      16u << 20;  // Else a checkpoint may run into the failure instead of us.
  auto store = *Store::open(options, no_tags);
  Outcomes outcomes;
  work(*store, &outcomes);
  const int64_t revision = store->revision();
  disk().arm(1, Failure::once, SQLITE_IOERR_WRITE);
  for (const Durability durability : {Durability::durable, Durability::relaxed}) {
    Write write;
    write.key = "/a/new";
    write.bytes = "new";
    const Status failed = store->commit(write).status();
    write.durability = durability;
    REQUIRE(failed.code == 503);
    REQUIRE(store->commit(write).status().code == 503);  // The disk is sound again; we are not.
  }
  REQUIRE(store->health() == Health::failed);
  REQUIRE(store->revision() == revision);
  REQUIRE(store->get("/a/new") == nullptr);
  REQUIRE(store->count("/a/") > 0);
}

// Three writes while the disk is busy with the first: one that wins, and one that loses against
// the first. Nobody may see or hear of any before `code` is how the sync ends.
void write_beside_a_sync(int code) {
  TestFolder folder;
  disk().arm(0, Failure::once, SQLITE_OK);
  Options options = options_for(folder, register_vfs());
  options.checkpoint_bytes = options.max_wal_bytes = 16u << 20;
  auto store = *Store::open(options, no_tags);
  std::atomic<int> told{0}, seen{0};
  const auto watch = *store->watch(
      "", 1, [&](std::span<const Event> events) { seen += static_cast<int>(events.size()); });
  std::mutex mutex;  // A refusal may come from the writer's thread, beside the settler's.
  std::vector<Result<Committed>> answers;
  const auto commit = [&](const char* key) {
    Write write;
    write.key = key;
    write.bytes = "bytes";
    write.expected_revision = 0;
    store->commit(std::move(write), [&](Result<Committed> answer) {
      const std::lock_guard lock(mutex);
      answers.push_back(std::move(answer));
      ++told;
    });
  };
  Write before;
  before.key = "/a/first";
  before.bytes = "first";
  REQUIRE(store->commit(before)->revision == 2);

  disk().hold_syncs();
  commit("/a/1");
  disk().wait_for_sync();
  commit("/a/1");
  commit("/a/2");
  REQUIRE(told == 0);
  REQUIRE(store->count("/a/") == 1);
  REQUIRE(store->revision() == 2);
  disk().release(code);
  store->close();
  REQUIRE(answers.size() == 3);
  if (code == SQLITE_OK) {
    REQUIRE(answers[0]->revision == 3);
    REQUIRE(answers[1].status().already_exists());
    REQUIRE(answers[2]->revision == 4);
    REQUIRE(store->revision() == 4);
    REQUIRE(store->health() == Health::good);
  } else {
    for (const auto& answer : answers) REQUIRE(answer.status().code == 503);
    REQUIRE(store->revision() == 2);
    REQUIRE(store->get("/a/2") == nullptr);
    REQUIRE(store->health() == Health::failed);
    REQUIRE(seen <= 1);
  }
}

TEST_CASE("what the disk has not taken yet is neither seen nor heard of") {
  write_beside_a_sync(SQLITE_OK);
}

TEST_CASE("a failed fsync refuses all that waits for it") {
  write_beside_a_sync(SQLITE_IOERR_FSYNC);
}

}  // namespace
}  // namespace orch::store
