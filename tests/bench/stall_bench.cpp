// stall_bench: the longest that a single durable write had to wait, with nothing else going on,
// while 100,000 objects are copied into a snapshot, and while the write-ahead log is moved into the
// database over and over. Prints one line each.
//
//   stall_bench [--check] [folder]      The folder's disk is what is measured; default: a new one
//   in ".".
//
// --check fails when a write waited longer than 250 ms, or than a few times the longest wait
// without anything else: a busy machine has stalls of its own, which are not the store's. The
// promised 50 ms are for a disk that nobody else uses, and what is printed without --check.
#include <stdlib.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <functional>
#include <thread>

#include "base/check.h"
#include "base/files.h"
#include "base/log.h"
#include "store/store.h"

namespace orch::store {
namespace {

constexpr int kObjects = 100'000;
constexpr size_t kObjectBytes = 1024;
constexpr size_t kLargeBytes = 64u << 10;  // 250 of them fill the log.
constexpr auto kDuration = std::chrono::seconds(8);
constexpr double kLimitMs = 50;
constexpr double kBusyLimitMs = 250;
constexpr double kNoise = 4;  // Times the longest wait without anything else.

Write some_write(int number, size_t bytes) {
  Write write;
  write.key = "/pods/default/web-" + std::to_string(number);
  // Not all alike, so that the copy is not compressed to nothing.
  write.bytes = std::string(bytes, 'x');
  for (size_t at = 0; at + 8 < bytes; at += 16)
    (*write.bytes)[at] = static_cast<char>(number >> (at % 24));
  return write;
}

struct Waits {
  double longest_ms = 0;
  double seconds = 0;
  int writes = 0;
};

// Durable writes of 1 KiB, one after the other, while `work` runs on a thread of its own.
Waits write_beside(Store& store, const std::function<void()>& work) {
  std::atomic<bool> ended{false};
  std::thread beside([&] {
    work();
    ended = true;
  });
  Waits waits;
  const MonoTime start = system_clock().monotonic();
  while (!ended) {
    const MonoTime before = system_clock().monotonic();
    ORCH_CHECK(store.commit(some_write(waits.writes % kObjects, kObjectBytes)).ok());
    const std::chrono::duration<double, std::milli> wait = system_clock().monotonic() - before;
    waits.longest_ms = std::max(waits.longest_ms, wait.count());
    ++waits.writes;
  }
  beside.join();
  waits.seconds = std::chrono::duration<double>(system_clock().monotonic() - start).count();
  return waits;
}

// The second writer.
void write_large(Store& store) {
  const MonoTime start = system_clock().monotonic();
  for (int i = 0; system_clock().monotonic() - start < kDuration; ++i) {
    ORCH_CHECK(store.commit(some_write(i % 100, kLargeBytes)).ok());
  }
}

std::unique_ptr<Store> open_store(const std::string& folder, const Options& with = {}) {
  Options options = with;
  options.directory = folder + "/store";
  return *Store::open(options, [](auto, auto) { return Tags(); });
}

bool print(const char* what, const Waits& waits, double limit_ms) {
  std::printf("%-44s %7.1f ms   (%d writes in %.1f s)   limit: %.0f ms\n", what, waits.longest_ms,
              waits.writes, waits.seconds, limit_ms);
  std::fflush(stdout);
  return waits.longest_ms <= limit_ms;
}

bool run(const std::string& folder, bool check) {
  {
    auto store = open_store(folder);
    for (int i = 0; i < kObjects; ++i) {
      Write write = some_write(i, kObjectBytes);
      write.durability = Durability::relaxed;
      ORCH_CHECK(store->commit(std::move(write)).ok());
    }
  }
  Waits alone;
  {
    Options never;
    never.checkpoint_bytes = 1u << 30;
    const auto store = open_store(folder, never);
    alone = write_beside(*store, [&] { write_large(*store); });
  }
  print("longest wait, the log never moved", alone, kLimitMs);
  const double limit = check ? std::max(kBusyLimitMs, kNoise * alone.longest_ms) : kLimitMs;
  const auto store = open_store(folder);
  const Waits moving = write_beside(*store, [&] { write_large(*store); });
  bool kept = print("the log moved whenever it has 4 MiB", moving, limit);
  const Waits copying =
      write_beside(*store, [&] { ORCH_CHECK(store->snapshot(folder + "/copy.db").ok()); });
  kept = print("100,000 objects copied, no second writer", copying, limit) && kept;
  return kept;
}

}  // namespace
}  // namespace orch::store

int main(int count, char** arguments) {
  orch::log::set_level(orch::log::Level::warning);
  bool check = false;
  std::string folder;
  for (int i = 1; i < count; ++i) {
    if (std::strcmp(arguments[i], "--check") == 0) {
      check = true;
    } else {
      folder = arguments[i];
    }
  }
  const bool own = folder.empty();
  if (own) {
    folder = "stall_bench.XXXXXX";
    ORCH_CHECK(::mkdtemp(folder.data()) != nullptr);
  }
  const bool kept = orch::store::run(folder, check);
  if (own) ORCH_CHECK(orch::remove_tree(folder).ok());
  return kept || !check ? 0 : 1;
}
