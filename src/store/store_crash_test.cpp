// Processes that die for real: a child writes and tells each acknowledgement through a pipe, the
// parent kills it (SIGKILL) at random moments, opens the store and compares. No acknowledged
// durable write may be lost, nothing may come from nowhere, no revision may come twice.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch_get_random_seed.hpp>
#include <catch2/catch_test_macros.hpp>
#include <random>
#include <utility>

#include "base/fd.h"
#include "base/log.h"
#include "base/strings.h"
#include "store/store.h"
#include "store/store_fixture.h"

namespace orch::store {
namespace {

constexpr int kDurableKeys = 6;  // /d/0 …: written once after the other by one chain each.
constexpr int kKeys = 8;         // The rest are relaxed.
constexpr int kRounds = 250;
constexpr auto kLongest = std::chrono::seconds(12);

// Each write of a key has a number; every fifth one deletes.
bool is_delete(int64_t number) { return number % 5 == 0; }

struct Acknowledged {
  int64_t key = 0, number = 0, revision = 0;
};

Options options_for(const TestFolder& folder) {
  Options options;
  options.directory = folder.path();
  options.checkpoint_bytes = 80u << 10;  // Checkpoints are under way when the child dies,
  options.max_wal_bytes = 640u << 10;    // and writers are held for them.
  options.relaxed_flush_ms = 5;
  return options;
}

Tags no_tags(std::string_view, std::string_view) { return {}; }
std::string name_of(int64_t key) { return "/d/" + std::to_string(key); }

// The child. Chains of writes, one per key: each answer starts the next write.
class Child {
 public:
  Child(const TestFolder& folder, int pipe, const std::array<int64_t, kKeys>& numbers)
      : pipe_(pipe), numbers_(numbers), store_(*Store::open(options_for(folder), no_tags)) {}

  [[noreturn]] void run() {
    for (int key = 0; key < kKeys; ++key) next(key);
    for (;;) ::pause();
  }

 private:
  void next(int key) {
    const int64_t number = ++numbers_[static_cast<size_t>(key)];
    Write write;
    write.key = name_of(key);
    if (!is_delete(number)) {
      write.bytes =
          std::to_string(number) + std::string(static_cast<size_t>(number % 7) * 900, ' ');
      write.revision_at = static_cast<uint32_t>(write.bytes->size());
    }
    if (key >= kDurableKeys) write.durability = Durability::relaxed;
    store_->commit(std::move(write), [this, key, number](Result<Committed> result) {
      // A relaxed key may be gone already when its deletion comes: the crash took its last put.
      const int64_t revision = result ? result->revision : 0;
      const Acknowledged told{key, number, revision};
      if (::write(pipe_, &told, sizeof told) != sizeof told) ::_exit(1);
      next(key);
    });
  }

  const int pipe_;
  std::array<int64_t, kKeys> numbers_;
  std::unique_ptr<Store> store_;
};

// A child that is dead when this is gone, also when a check fails.
class Mortal {
 public:
  explicit Mortal(pid_t pid) : pid_(pid) {}
  ~Mortal() { kill(); }
  Mortal(const Mortal&) = delete;
  Mortal& operator=(const Mortal&) = delete;
  void kill() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, -1), nullptr, 0);
  }

 private:
  pid_t pid_;
};

class Parent {
 public:
  explicit Parent(uint32_t seed) : random_(seed) {}

  void round() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    UniqueFd in(ends[0]), out(ends[1]);
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      log::set_level(log::Level::error);
      Child(folder_, out.get(), numbers_).run();
    }
    Mortal child(pid);
    out.reset();
    before_ = last_revision_;
    for (int wanted = static_cast<int>(random_() % 300); wanted > 0 && listen(in.get()); --wanted) {
    }
    child.kill();
    while (listen(in.get())) {
    }
    compare();
  }
  int64_t acknowledged() const { return acknowledged_; }

 private:
  // One acknowledgement; false at the end of the pipe.
  bool listen(int fd) {
    Acknowledged told;
    if (::read(fd, &told, sizeof told) != sizeof told) return false;
    ++acknowledged_;
    numbers_[static_cast<size_t>(told.key)] = told.number;
    if (told.revision == 0) {
      REQUIRE(told.key >= kDurableKeys);
      return true;
    }
    REQUIRE(told.revision > before_);  // Not one that an earlier life has told.
    last_revision_ = std::max(last_revision_, told.revision);
    return true;
  }

  void compare() {
    auto store = Store::open(options_for(folder_), no_tags);
    if (!store) FAIL(store.status().message);
    REQUIRE((*store)->revision() >= last_revision_);
    for (int key = 0; key < kDurableKeys; ++key) {
      int64_t& told = numbers_[static_cast<size_t>(key)];
      const int64_t in_flight = told + 1;  // May have reached the disk unanswered.
      const RecordPtr record = (*store)->get(name_of(key));
      INFO(name_of(key) << " was told " << told << ", is "
                        << (record ? record->bytes.substr(0, 12) : "gone"));
      if (!record) {
        REQUIRE((is_delete(told) || is_delete(in_flight)));
        if (is_delete(in_flight)) told = in_flight;
        continue;
      }
      const std::string_view text = trim(record->bytes.substr(0, record->revision_at));
      const int64_t number = parse_int(text).value();
      REQUIRE_FALSE(is_delete(number));
      REQUIRE((number == told || number == in_flight));
      told = number;
    }
  }

  TestFolder folder_;
  std::minstd_rand random_;
  std::array<int64_t, kKeys> numbers_{};  // The last write of each key that was answered.
  int64_t last_revision_ = 0, before_ = 0;
  int64_t acknowledged_ = 0;
};

TEST_CASE("no acknowledged write is lost when the process is killed") {
  const uint32_t seed = Catch::getSeed();
  INFO("seed " << seed);
  log::set_level(log::Level::warning);
  Parent parent(seed);
  const MonoTime start = system_clock().monotonic();
  int rounds = 0;
  while (rounds < kRounds && system_clock().monotonic() - start < kLongest) {
    parent.round();
    ++rounds;
  }
  log::set_level(log::Level::info);
  WARN(rounds << " kills, " << parent.acknowledged() << " acknowledged writes, seed " << seed);
  REQUIRE(parent.acknowledged() > rounds);
}

}  // namespace
}  // namespace orch::store
