// Many threads at once: counters by compare-and-swap lose no step, watchers that come and go see
// every revision once and in order, readers see one consistent state. Meant to run under tsan, too.
// Checks outside the main thread are ORCH_CHECKs: Catch2's are for one thread.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "base/strings.h"
#include "store/store.h"
#include "store/store_fixture.h"

namespace orch::store {
namespace {

constexpr int kWriters = 8;
constexpr int kSteps = 150;
constexpr int kCounters = 3;

std::string counter(int n) { return "/counters/" + std::to_string(n); }

int64_t value_of(const RecordPtr& record) {
  return record ? *parse_int(record->bytes.substr(0, record->revision_at)) : 0;
}

// Adds 1, however often another thread is faster.
void increment(Store& store, int n) {
  for (;;) {
    const RecordPtr current = store.get(counter(n));
    Write write;
    write.key = counter(n);
    write.bytes = std::to_string(value_of(current) + 1);
    write.revision_at = static_cast<uint32_t>(write.bytes->size());
    write.expected_revision = current ? current->revision : 0;
    if (n == 0) write.durability = Durability::relaxed;
    const auto done = store.commit(write);
    if (done) {
      const RecordPtr mine = store.get(counter(n));
      ORCH_CHECK(mine->revision >= done->revision);  // Visible before it was answered.
      return;
    }
    ORCH_CHECK(done.status().conflict() || done.status().already_exists());
  }
}

// Counts what a watch of everything is told, and that no revision is missing.
class Gapless {
 public:
  Gapless(Store& store, int64_t from) : last_(from) {
    watch_ = *store.watch("", from, [this](std::span<const Event> events) {
      const std::lock_guard lock(mutex_);
      for (const Event& event : events) {
        if (event.revision != last_ + 1) broken_ = true;
        last_ = event.revision;
      }
      changed_.notify_all();
    });
  }
  bool reaches(int64_t revision) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return last_ >= revision; });
    return !broken_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t last_;
  bool broken_ = false;
  std::unique_ptr<Watch> watch_;  // Last: its sink uses everything above.
};

void read_consistently(const Store& store) {
  const Range range = *store.range({.prefix = "/counters/"});
  int64_t sum = 0;
  for (const RecordPtr& record : range.records) {
    ORCH_CHECK(record->revision <= range.revision);
    sum += value_of(record);
  }
  ORCH_CHECK(sum == range.revision - 1);  // Each revision added 1 to one counter.
  const auto again = store.range({.prefix = "/counters/", .at_revision = range.revision});
  ORCH_CHECK(again->records == range.records);
}

TEST_CASE("counters, watchers and readers on many threads") {
  TestFolder folder;
  Options options;
  options.directory = folder.path();
  options.relaxed_flush_ms = 1;
  options.checkpoint_bytes = 200u << 10;
  options.max_wal_bytes = 1600u << 10;
  auto store = *Store::open(options, [](auto, auto) { return Tags(); });
  Gapless from_the_start(*store, 1);
  std::atomic<bool> writing{true};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (int step = 0; step < kSteps; ++step) increment(*store, (writer + step) % kCounters);
    });
  }
  std::thread reader([&] {
    while (writing) read_consistently(*store);
  });
  std::thread watcher([&] {
    while (writing) {
      const int64_t from = store->revision();
      Gapless passing(*store, from);
      if (from < 1 + kWriters * kSteps) ORCH_CHECK(passing.reaches(from + 1));
    }
  });
  for (std::thread& thread : threads) thread.join();
  writing = false;
  reader.join();
  watcher.join();

  constexpr int64_t kLast = 1 + kWriters * kSteps;
  REQUIRE(store->revision() == kLast);
  REQUIRE(from_the_start.reaches(kLast));
  int64_t sum = 0;
  for (int n = 0; n < kCounters; ++n) sum += value_of(store->get(counter(n)));
  REQUIRE(sum == kWriters * kSteps);
  store.reset();
  store = *Store::open(options, [](auto, auto) { return Tags(); });
  REQUIRE(store->revision() == kLast);
  sum = 0;
  for (int n = 0; n < kCounters; ++n) sum += value_of(store->get(counter(n)));
  REQUIRE(sum == kWriters * kSteps);
}

}  // namespace
}  // namespace orch::store
