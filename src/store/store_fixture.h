// What the store's tests share: an empty folder, writes of small objects, answers that must be
// good. For tests only.
#pragma once

#include <stdlib.h>

#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <mutex>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/files.h"
#include "store/log.h"
#include "store/machine.h"
#include "store/store.h"
#include "store/table.h"

namespace orch::store {

// Removed with all that is in it.
class TestFolder {
 public:
  TestFolder() {
    char path[] = "/tmp/orch-store-XXXXXX";
    ORCH_CHECK(::mkdtemp(path) != nullptr);
    path_ = path;
  }
  ~TestFolder() { ORCH_CHECK(remove_tree(path_).ok()); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline constexpr std::string_view kHead = R"({"metadata":{"resourceVersion":")";

inline std::string body(std::string_view text) {
  return std::string(kHead) + R"("},"data":")" + std::string(text) + R"("})";
}

inline Write put(std::string key, std::string_view text = "x",
                 std::optional<int64_t> expected = std::nullopt) {
  Write write;
  write.key = std::move(key);
  write.bytes = body(text);
  write.revision_at = kHead.size();
  write.expected_revision = expected;
  return write;
}

inline Write remove(std::string key, std::optional<int64_t> expected = std::nullopt) {
  Write write;
  write.key = std::move(key);
  write.expected_revision = expected;
  return write;
}

inline Write relaxed(Write write) {
  write.durability = Durability::relaxed;
  return write;
}

inline Tags tag_by_key(std::string_view key, std::string_view) {
  return {.uid = "uid of " + std::string(key), .labels = {}, .fields = {}, .owners = {}};
}

inline std::unique_ptr<Store> open_store(Options options) {
  auto store = Store::open(std::move(options), tag_by_key);
  if (!store) FAIL(store.status().message);
  return *std::move(store);
}

inline std::unique_ptr<Store> open_store(const TestFolder& folder) {
  Options options;
  options.directory = folder.path();
  return open_store(options);
}

inline Committed must(Result<Committed> result) {
  if (!result) FAIL(result.status().message);
  return *std::move(result);
}

// A replicated log as the rooms above see it: the log is the truth, and whoever writes applies.
class InlineLog : public Log {
 public:
  explicit InlineLog(Machine& machine) : machine_(machine) {}
  void propose(Proposal proposal, WhenFull) override {
    std::vector<Proposal> batch;
    batch.push_back(std::move(proposal));
    if (const auto act = std::exchange(before_write, {})) act();
    const std::lock_guard lock(mutex_);
    machine_.apply(std::move(batch), "a note");
  }
  Result<void> replace(std::vector<RecordPtr> records, int64_t revision) {
    const std::lock_guard lock(mutex_);
    return machine_.restore(std::move(records), revision, "a note");
  }
  void close() override {}
  void sync(std::function<void(Result<void>)> done) override {
    if (const auto act = std::exchange(on_sync, {})) act();
    done({});
    const std::lock_guard lock(mutex_);
    synced_ = true;
    changed_.notify_all();
  }
  void wait_for_sync() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return synced_; });
  }
  Leadership leadership() const override {
    const std::lock_guard lock(mutex_);
    return leadership_;
  }
  void on_leadership(std::function<void(const Leadership&)> tell) override {
    tell_ = std::move(tell);
    tell_(leadership_);
  }
  void lead(uint64_t term) { set({term, 1, true}); }
  void follow(uint64_t leader, uint64_t term) { set({term, leader, false}); }

  // What other servers do, once: just before the next write is applied; and what this one has yet
  // to hear of, which it does when it asks.
  std::function<void()> before_write, on_sync;

 private:
  void set(Leadership now) {
    {
      const std::lock_guard lock(mutex_);
      leadership_ = now;
    }
    if (tell_) tell_(now);
  }

  Machine& machine_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool synced_ = false;
  Leadership leadership_{0, 0, false};
  std::function<void(const Leadership&)> tell_;
};

// A store whose state may be replaced, as a replica's.
struct StoreInside {
  static std::unique_ptr<Store> open(Options options, const Store::Tagger& tagger) {
    auto table = Table::open(options, Table::Truth::log);
    ORCH_CHECK(table.ok());
    auto loaded = (*table)->load(tagger);
    ORCH_CHECK(loaded.ok());
    auto machine = std::make_unique<Machine>(options, *std::move(table), *std::move(loaded));
    auto log = std::make_unique<InlineLog>(*machine);
    return std::unique_ptr<Store>(
        new Store(std::move(options), std::move(machine), std::move(log)));
  }
  static InlineLog& log(Store& store) { return static_cast<InlineLog&>(*store.log_); }
};

// As if a StoreInside::open() store were given another's state; `records` sorted by key.
inline void replace_state(Store& store, std::vector<RecordPtr> records, int64_t revision) {
  const Result<void> result = StoreInside::log(store).replace(std::move(records), revision);
  if (!result) FAIL(result.status().message);
}

// A sink that remembers, and a way to wait for what it is told.
class Told {
 public:
  Sink sink() {
    return [this](std::span<const Event> events) {
      const std::lock_guard lock(mutex_);
      ended_ = events.empty();
      events_.insert(events_.end(), events.begin(), events.end());
      changed_.notify_all();
    };
  }
  std::vector<Event> wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return events_.size() >= count; });
    return events_;
  }
  void wait_for_end() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ended_; });
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return events_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Event> events_;
  bool ended_ = false;
};

}  // namespace orch::store
