// store_bench: what the store does in a second, and what an object costs. Prints one line a figure.
//
//   store_bench [folder]      The folder's disk is what is measured; default: a new one in ".".
//
// With etcd installed, one member of it does the same writes afterwards, and the ratio is printed.
// Build with the release preset on a quiet machine. A row names its target where there is one.
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <random>
#include <thread>

#include "base/check.h"
#include "base/fd.h"
#include "base/files.h"
#include "base/log.h"
#include "etcd.h"
#include "store/store.h"
#include "store/table.h"

namespace orch::store {
namespace {

constexpr size_t kObjectBytes = 1024;
constexpr int kKeys = 5000;
constexpr int kManyWriters = 256;
constexpr int kRecoveredObjects = 100'000;
constexpr auto kDuration = std::chrono::seconds(3);

double us_since(MonoTime start) {
  return std::chrono::duration<double, std::micro>(system_clock().monotonic() - start).count();
}

// Of the whole process, since it began. Unlike times on the wall it says the same on a busy
// machine.
double cpu_us() {
  rusage usage{};
  ORCH_CHECK(::getrusage(RUSAGE_SELF, &usage) == 0);
  const auto us = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) * 1e6 + static_cast<double>(t.tv_usec);
  };
  return us(usage.ru_utime) + us(usage.ru_stime);
}

struct Latencies {
  std::vector<double> us;
  double at(double share) {
    std::ranges::sort(us);
    return us.empty() ? 0 : us[static_cast<size_t>(share * static_cast<double>(us.size() - 1))];
  }
};

void print_rate(const char* what, double per_second, Latencies& latencies, const char* target) {
  std::printf("%-34s %9.0f /s   p50 %8.1f us   p99 %8.1f us   %s\n", what, per_second,
              latencies.at(0.5), latencies.at(0.99), target);
  std::fflush(stdout);
}

Write some_write(uint32_t number) {
  Write write;
  char key[64];
  std::snprintf(key, sizeof key, "/pods/default/web-%08u", number);
  write.key = key;
  write.bytes = R"({"metadata":{"resourceVersion":"")";
  write.revision_at = static_cast<uint32_t>(write.bytes->size()) - 1;
  write.bytes->resize(kObjectBytes, 'x');
  write.tags = {.uid = "0190d3e2-7a5e-4c1b-9d65-3f1c2b7a8e90",
                .labels = {{"app", "web"}, {"pod-template-hash", "6d4cf56db6"}},
                .fields = {{"spec.nodeName", "node-1"}, {"status.phase", "Running"}},
                .owners = {}};
  return write;
}

// One fsync of 4 KiB appended to a file: what a single durable write can't beat.
void measure_fsync(const std::string& folder) {
  const UniqueFd fd(::open((folder + "/fsync").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const std::string page(4096, 'p');
  Latencies latencies;
  const MonoTime start = system_clock().monotonic();
  while (system_clock().monotonic() - start < kDuration / 3) {
    const MonoTime before = system_clock().monotonic();
    ORCH_CHECK(write_all(fd.get(), page).ok());
    ORCH_CHECK(::fsync(fd.get()) == 0);
    latencies.us.push_back(us_since(before));
  }
  const double rate = static_cast<double>(latencies.us.size()) / (us_since(start) / 1e6);
  print_rate("append 4 KiB + fsync", rate, latencies, "");
}

// `writers` writes are always under way; each answer starts the next one.
class Writers {
 public:
  Writers(Store& store, int writers) : store_(store), running_(writers) {
    for (int i = 0; i < writers; ++i) next();
  }
  bench::Load print(const char* what, const char* target) {
    std::unique_lock lock(mutex_);
    ended_.wait(lock, [this] { return running_ == 0; });
    const double rate = static_cast<double>(latencies_.us.size()) / (us_since(start_) / 1e6);
    print_rate(what, rate, latencies_, target);
    const double each = (cpu_us() - start_cpu_us_) / static_cast<double>(latencies_.us.size());
    std::printf("%-34s %9.1f us of CPU each\n", "", each);
    return {rate, latencies_.at(0.5), latencies_.at(0.99)};
  }

 private:
  void next() {
    const MonoTime before = system_clock().monotonic();
    const auto number = static_cast<uint32_t>(random_() % kKeys);
    store_.commit(some_write(number), [this, before](Result<Committed> result) {
      ORCH_CHECK(result.ok());
      const bool go_on = system_clock().monotonic() - start_ < kDuration;
      {
        const std::lock_guard lock(mutex_);
        latencies_.us.push_back(us_since(before));
        if (!go_on && --running_ == 0) ended_.notify_one();
      }
      if (go_on) next();
    });
  }

  Store& store_;
  const MonoTime start_ = system_clock().monotonic();
  const double start_cpu_us_ = cpu_us();
  std::mutex mutex_;
  std::condition_variable ended_;
  int running_;
  Latencies latencies_;
  std::minstd_rand random_{1};
};

// The same rows written by the table alone, as many at once as there are writers: SQLite, and what
// moves its log. No store above this table can be faster.
double measure_table(const std::string& folder) {
  Options options;
  options.directory = folder;
  const auto table = *Table::open(options);
  std::minstd_rand random(1);
  Latencies latencies;
  const MonoTime start = system_clock().monotonic();
  for (int64_t revision = 1; system_clock().monotonic() - start < kDuration;) {
    std::vector<Table::Change> changes;
    for (int i = 0; i < kManyWriters; ++i) {
      const auto number = static_cast<uint32_t>(random() % kKeys);
      Write write = some_write(number);
      const Record::Parts parts{.key = write.key,
                                .bytes = *write.bytes,
                                .revision_at = write.revision_at,
                                .create_revision = 1,
                                .revision = ++revision,
                                .row = number + 1};
      changes.push_back({parts.row, Record::make(parts, write.tags)});
    }
    const MonoTime before = system_clock().monotonic();
    ORCH_CHECK(table->write(changes, {}).ok());
    ORCH_CHECK(table->sync().ok());
    latencies.us.push_back(us_since(before));
  }
  const double rate =
      static_cast<double>(latencies.us.size() * kManyWriters) / (us_since(start) / 1e6);
  print_rate("the table alone, 256 rows at once", rate, latencies, "");
  return rate;
}

void measure_reads(Store& store) {
  std::minstd_rand random(1);
  Latencies gets, lists;
  const MonoTime start = system_clock().monotonic();
  while (gets.us.size() < 200'000) {
    const std::string key = some_write(static_cast<uint32_t>(random() % kKeys)).key;
    const MonoTime before = system_clock().monotonic();
    ORCH_CHECK(store.get(key) != nullptr);
    gets.us.push_back(us_since(before));
  }
  print_rate("get", 2e5 / (us_since(start) / 1e6), gets, "");
  const MonoTime list_start = system_clock().monotonic();
  while (lists.us.size() < 1000) {
    const MonoTime before = system_clock().monotonic();
    ORCH_CHECK(store.range({.prefix = "/pods/default/"})->records.size() == kKeys);
    lists.us.push_back(us_since(before));
  }
  print_rate("range of 5,000", 1e3 / (us_since(list_start) / 1e6), lists, "");
}

// From the commit's answer until the last of 1,000 watchers of that folder was told; 10,000 watch
// others.
void measure_watchers(Store& store) {
  constexpr int kWatchers = 1000;
  std::mutex mutex;
  std::condition_variable changed;
  int told = 0;
  const auto sink = [&](std::span<const Event> events) {
    const std::lock_guard lock(mutex);
    told += static_cast<int>(events.size());
    if (told == kWatchers) changed.notify_one();
  };
  std::vector<std::unique_ptr<Watch>> watches;
  for (int i = 0; i < 11 * kWatchers; ++i) {
    const std::string prefix = i % 11 == 0 ? "/pods/default/" : "/x/" + std::to_string(i) + "/";
    watches.push_back(*store.watch(prefix, store.revision(), sink));
  }
  Latencies latencies;
  const MonoTime start = system_clock().monotonic();
  for (uint32_t i = 0; i < 1000; ++i) {
    ORCH_CHECK(store.commit(some_write(i)).ok());
    const MonoTime before = system_clock().monotonic();
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return told == kWatchers; });
    told = 0;
    latencies.us.push_back(us_since(before));
  }
  print_rate("write told to 1,000 of 11,000", 1e3 / (us_since(start) / 1e6), latencies, "");
}

size_t heap_bytes() { return ::mallinfo2().uordblks; }

std::unique_ptr<Store> open_store(const std::string& folder) {
  Options options;
  options.directory = folder;
  const auto tagger = [](auto, auto) { return some_write(0).tags; };
  return *Store::open(options, tagger);
}

void fill(const std::string& folder) {
  auto store = open_store(folder);
  for (int i = 0; i < kRecoveredObjects; ++i) {
    Write write = some_write(static_cast<uint32_t>(i));
    write.durability = Durability::relaxed;
    ORCH_CHECK(store->commit(std::move(write)).ok());
  }
}

void measure_recovery(const std::string& folder) {
  fill(folder);
  ::malloc_trim(0);
  const size_t before = heap_bytes();
  const double cpu_before = cpu_us();
  const MonoTime start = system_clock().monotonic();
  auto store = open_store(folder);
  const double ms = us_since(start) / 1000, cpu_ms = (cpu_us() - cpu_before) / 1000;
  ORCH_CHECK(store->count("") == kRecoveredObjects);
  std::printf("%-34s %9.0f ms   %.0f ms of CPU   target: <= 1000 ms\n", "open with 100,000 objects",
              ms, cpu_ms);
  const size_t each = (heap_bytes() - before) / kRecoveredObjects;
  std::printf("%-34s %9zu B    target: <= %zu\n", "memory per object of 1 KiB", each,
              kObjectBytes + 300);
}

void compare_with_etcd(const bench::Load& alone, const bench::Load& many) {
  const std::string program = "/usr/bin/etcd";
  if (!file_exists(program)) {
    std::printf("etcd is not installed: nothing to compare with\n");
    return;
  }
  const auto seconds = static_cast<int>(kDuration.count());
  bench::Etcd etcd(program, 1);
  ORCH_CHECK(etcd.is_ready());
  print_ratio(1, alone, print_load("etcd", 1, etcd.load(1, seconds)));
  print_ratio(256, many, print_load("etcd", 256, etcd.load(256, seconds)));
}

class NoStreams final : public PeerStreams {
  void connect(uint64_t, const std::string&, StreamUse, Connected done) override {
    done(service_unavailable("nobody is there"));
  }
};

// How long writers wait while their single server becomes one of several: for replicate(), and then
// for the first copy of the state, which the log begins with.
void measure_growth(const std::string& folder) {
  NoStreams streams;
  const Replication replication{
      .server = 1, .address = "here:1", .begins = true, .streams = &streams};
  const auto store = open_store(folder);
  double took_ms = 0;
  std::thread growth([&] {
    const MonoTime start = system_clock().monotonic();
    ORCH_CHECK(store->replicate(replication).ok());
    took_ms = us_since(start) / 1000;
  });
  Latencies latencies;
  const MonoTime start = system_clock().monotonic();
  for (uint32_t i = 0; system_clock().monotonic() - start < kDuration || i < 10; ++i) {
    const MonoTime before = system_clock().monotonic();
    ORCH_CHECK(store->commit(some_write(i % kKeys)).ok());
    latencies.us.push_back(us_since(before));
  }
  growth.join();
  std::printf("grow with %7zu objects            %9.0f ms   the longest write: %.0f ms\n",
              store->count(""), took_ms, latencies.at(1) / 1000);
}

void run(const std::string& folder) {
  measure_fsync(folder);
  const double table = measure_table(folder + "/t");
  bench::Load alone, many;
  {
    auto store = open_store(folder + "/a");
    for (uint32_t i = 0; i < kKeys; ++i) {
      Write write = some_write(i);
      write.durability = Durability::relaxed;
      ORCH_CHECK(store->commit(std::move(write)).ok());
    }
    alone =
        Writers(*store, 1).print("durable writes of 1 KiB, 1 writer", "target: p50 <= 2 fsyncs");
    many = Writers(*store, kManyWriters)
               .print("durable writes of 1 KiB, 256", "target: >= 60,000/s, p99 <= 10,000 us");
    std::printf("%-34s %9.2f\n", "of what the table alone does", many.rate / table);
    measure_reads(*store);
    measure_watchers(*store);
  }
  measure_recovery(folder + "/b");
  measure_growth(folder + "/a");
  measure_growth(folder + "/b");
  compare_with_etcd(alone, many);
}

}  // namespace
}  // namespace orch::store

int main(int count, char** arguments) {
  orch::log::set_level(orch::log::Level::warning);
  std::string folder = count > 1 ? arguments[1] : "store_bench.XXXXXX";
  if (count == 1) ORCH_CHECK(::mkdtemp(folder.data()) != nullptr);
  orch::store::run(folder);
  if (count == 1) ORCH_CHECK(orch::remove_tree(folder).ok());
  return 0;
}
