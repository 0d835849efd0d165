// A single server that becomes the first of a replicated log while it is used: writers lose
// nothing, watches see every revision once, and a process that is killed on the way leaves all that
// was acknowledged. Checks outside the main thread are ORCH_CHECKs.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch_get_random_seed.hpp>
#include <filesystem>
#include <random>

#include "base/log.h"
#include "base/strings.h"
#include "store/raft_folder.h"
#include "store/servers_fixture.h"

namespace orch::store {
namespace {

using Kind = MemberChange::Kind;

Options options_in(const TestFolder& folder) {
  Options options;
  options.directory = folder.path();
  return options;
}

// Writes until it is told to end: `waiting` threads that wait for each answer, of which one writes
// relaxed, and, where the queue is long enough, a chain that has many writes of one key under way.
class Load {
 public:
  Load(Store& store, int waiting, bool chain = true) : store_(store) {
    for (int i = 0; i < waiting; ++i) threads_.emplace_back([this, i] { write_and_wait(i); });
    if (chain) threads_.emplace_back([this] { write_on(); });
  }
  ~Load() { end(); }

  void wait_for_more(int64_t writes) {
    std::unique_lock lock(mutex_);
    const int64_t wanted = done_ + writes;
    changed_.wait(lock, [&] { return done_ >= wanted; });
  }
  // How many there were.
  int64_t end() {
    ending_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return open_ == 0; });
    return done_;
  }

 private:
  static constexpr int kOpen = 32;  // Of the chain's writes.

  void write_and_wait(int thread) {
    const std::string key = "/w/" + std::to_string(thread);
    int64_t last = 0;
    for (int i = 0; !ending_; ++i) {
      Write write = put(key, std::to_string(i), last);
      if (thread == 0) write = relaxed(std::move(write));
      const auto done = store_.commit(std::move(write));
      ORCH_CHECK(done.ok());
      last = done->revision;
      ORCH_CHECK(store_.get(key)->revision == last);
      count(0);
    }
  }
  void write_on() {
    for (int i = 0; !ending_; ++i) {
      count(1);
      store_.commit(put("/chain", std::to_string(i)), [this](const Result<Committed>& done) {
        ORCH_CHECK(done.ok());
        count(-1);
      });
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return open_ < kOpen; });
    }
  }
  void count(int open) {
    const std::lock_guard lock(mutex_);
    open_ += open;
    if (open <= 0) ++done_;
    changed_.notify_all();
  }

  Store& store_;
  std::atomic<bool> ending_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  int64_t done_ = 0;
  int open_ = 0;
  std::vector<std::thread> threads_;
};

// The chain's numbers in the order of their revisions.
void require_whole(const std::vector<Event>& events, int64_t from) {
  int64_t chained = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    REQUIRE(events[i].revision == from + 1 + static_cast<int64_t>(i));
    if (events[i].record->key != "/chain") continue;
    const std::string wanted = "\"data\":\"" + std::to_string(chained++) + "\"";
    REQUIRE(events[i].record->bytes.find(wanted) != std::string::npos);
  }
}

void grow_under_load(size_t queue_writes, bool chain) {
  Wires wires;
  TestServer first(wires, 1), second(wires, 2);
  first.options().queue_writes = queue_writes;
  first.start_single();
  must(first->commit(put("/old")));
  const int64_t from = first->revision();
  Told told;
  const auto watch = *first->watch("", from, told.sink());
  int64_t writes = 0;
  {
    Load load(*first, 6, chain);
    load.wait_for_more(200);
    must(first->replicate(first.replication()));
    load.wait_for_more(200);
    second.start();
    must(first.change(Kind::add, 2, second.address()));
    must(first.change(Kind::promote, 2));
    load.wait_for_more(200);
    writes = load.end();
  }
  CHECK(first->revision() == from + writes);
  require_whole(told.wait_for(static_cast<size_t>(writes)), from);
  must(second.sync());
  const std::string state = dump(*first);
  CHECK(dump(*second) == state);
  // The directory belongs to the log from now on.
  second.stop();
  first.stop();
  first.start();
  second.start();
  must(first.sync());
  CHECK(dump(*first) == state);
  CHECK(first->members().size() == 2);
}

TEST_CASE("a single server becomes one of several while it is written to and watched", "[grow]") {
  grow_under_load(4096, true);
}

TEST_CASE("writers that wait for room in the queue go on in the new log", "[grow]") {
  grow_under_load(2, false);
}

TEST_CASE("what was for the single server's term is over when it is one of several", "[grow]") {
  Wires wires;
  TestServer server(wires, 1);
  server.start_single();
  CHECK(server->alone());
  CHECK(server->leadership() == Leadership{});
  CHECK(server->members().empty());
  Write write = put("/loop");
  write.only_in_term = 0;
  must(server->commit(write));
  must(server->replicate(server.replication()));
  CHECK_FALSE(server->alone());
  CHECK(server.wait_for_leader() == 1);  // The listener that was there before.
  const Leadership now = server->leadership();
  CHECK(now.ours);
  CHECK(now.term > 0);
  CHECK(server->commit(write).status().code == 503);
  write.only_in_term = now.term;
  must(server->commit(write));
  must(server.sync());
  CHECK(server->members() == std::vector<Member>{{1, "server-1", true}});
  CHECK(server->replicate(server.replication()).status().conflict());
  server->close();
  CHECK(server->commit(put("/late")).status().code == 503);
  CHECK(server->replicate(server.replication()).status().conflict());
}

TEST_CASE("a closed store does not grow", "[grow]") {
  Wires wires;
  TestServer server(wires, 1);
  server.start_single();
  server->close();
  CHECK(server->replicate(server.replication()).status().code == 503);
  CHECK_FALSE(std::filesystem::exists(server.folder() + "/raft"));
}

TEST_CASE("a server whose log can't begin goes on as the single one that it was", "[grow]") {
  Wires wires;
  TestServer server(wires, 1);
  server.start_single();
  {
    Load load(*server, 4);
    load.wait_for_more(50);
    // Where the log's folder should be there is a file.
    REQUIRE(write_file_atomic(server.folder() + "/raft", "x"));
    CHECK_FALSE(server->replicate(server.replication()));
    CHECK(server->alone());
    load.wait_for_more(50);
  }
  CHECK(server->leadership() == Leadership{});
  const std::string state = dump(*server);
  server.stop();
  server.start_single();
  CHECK(dump(*server) == state);
  must(server->replicate(server.replication()));
  must(server->commit(put("/new")));
}

// The log begins with the table, and entries are applied to it again after a crash: revisions that
// relaxed writes had reserved would make them others.
TEST_CASE("what was relaxed before is in the log's beginning, and reserves nothing", "[grow]") {
  Wires wires;
  TestServer server(wires, 1);
  server.start_single();
  for (int i = 0; i < 10; ++i) must(server->commit(relaxed(put("/r/" + std::to_string(i)))));
  const int64_t revision = server->revision();
  must(server->replicate(server.replication()));
  CHECK(must(server->commit(put("/a"))).revision == revision + 1);
  const TestFolder copy;
  must(server->snapshot(copy.path() + "/orch.db"));
  auto table = Table::open(options_in(copy), Table::Truth::log);
  REQUIRE(table);
  const auto loaded = (*table)->load(tag_by_key);
  REQUIRE(loaded);
  CHECK(loaded->records.size() >= 10);
  CHECK(loaded->revision <= revision + 1);
}

// --- Killed on the way.

class NoStreams final : public PeerStreams {
 public:
  void connect(uint64_t, const std::string&, StreamUse, Connected done) override {
    done(service_unavailable("nobody is there"));
  }
};

constexpr int kChains = 4;
struct Acknowledged {
  int64_t chain = 0, number = 0, revision = 0;
};
// In an Acknowledged's place: replicate() is called now; it has come back.
constexpr int64_t kGrows = -1, kGrown = -2;

std::string chain_key(int64_t chain) { return "/c/" + std::to_string(chain); }

struct Beginning {
  Beginning() {
    replication.server = 1;
    replication.address = "server-1";
    replication.begins = true;
    replication.streams = &streams;
  }
  NoStreams streams;
  Replication replication;
};

// The child: one write of each chain is under way at any time, numbered. Now and then one is
// relaxed, of another key, so that revisions are reserved.
class Child {
 public:
  Child(Options options, int pipe) : pipe_(pipe), store_(open_store(std::move(options))) {}

  [[noreturn]] void run(int writes_before) {
    for (int chain = 0; chain < kChains; ++chain) next(chain, 1);
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return written_ >= writes_before; });
    }
    tell({kGrows, 0, 0});
    ORCH_CHECK(store_->replicate(beginning_.replication).ok());
    tell({kGrown, 0, 0});
    for (;;) ::pause();
  }

 private:
  void tell(const Acknowledged& what) {
    if (::write(pipe_, &what, sizeof what) != sizeof what) ::_exit(1);
  }
  void count() {
    const std::lock_guard lock(mutex_);
    ++written_;
    changed_.notify_all();
  }
  void next(int chain, int64_t number) {
    if (number % 7 == 0) store_->commit(relaxed(put("/relaxed")), [](const auto&) {});
    store_->commit(put(chain_key(chain), std::to_string(number)),
                   [this, chain, number](const Result<Committed>& done) {
                     ORCH_CHECK(done.ok());
                     tell({chain, number, done->revision});
                     count();
                     next(chain, number + 1);
                   });
  }

  const int pipe_;
  Beginning beginning_;
  std::unique_ptr<Store> store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int written_ = 0;
};

struct Seen {
  bool grows = false, grown = false;
  std::array<Acknowledged, kChains> last{};
};

bool listen(int fd, Seen* seen) {
  Acknowledged told;
  if (::read(fd, &told, sizeof told) != sizeof told) return false;
  if (told.chain < 0) {
    (told.chain == kGrows ? seen->grows : seen->grown) = true;
  } else {
    seen->last[static_cast<size_t>(told.chain)] = told;
  }
  return true;
}

Seen run_and_kill(const TestFolder& folder, std::minstd_rand& random) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  UniqueFd in(ends[0]), out(ends[1]);
  const int before = static_cast<int>(random() % 40);
  const bool late = random() % 4 == 0;
  const std::chrono::microseconds later(random() % (1u << (10 + random() % 8)));
  const pid_t pid = ::fork();
  REQUIRE(pid >= 0);
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    log::set_level(log::Level::error);
    Child(options_in(folder), out.get()).run(before);
  }
  out.reset();
  Seen seen;
  while (!(late ? seen.grown : seen.grows) && listen(in.get(), &seen)) {
  }
  // When it dies; whatever it is doing then.
  const MonoTime death = system_clock().monotonic() + later;
  for (auto left = later; left.count() > 0;
       left = std::chrono::ceil<std::chrono::microseconds>(death - system_clock().monotonic())) {
    pollfd told{in.get(), POLLIN, 0};
    const timespec time{0, left.count() * 1000};
    if (::ppoll(&told, 1, &time, nullptr) > 0) listen(in.get(), &seen);
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  while (listen(in.get(), &seen)) {
  }
  return seen;
}

void require_all(Store& store, const Seen& seen) {
  for (const Acknowledged& last : seen.last) {
    if (last.number == 0) continue;
    const RecordPtr record = store.get(chain_key(last.chain));
    REQUIRE(record);
    const auto is = [&](int64_t number) {
      return record->bytes.find("\"data\":\"" + std::to_string(number) + "\"") != std::string::npos;
    };
    INFO(std::string(record->bytes) << " after " << last.number << " at " << last.revision);
    REQUIRE((is(last.number) || is(last.number + 1)));
    if (is(last.number)) {
      REQUIRE(record->revision == last.revision);
    } else {
      REQUIRE(record->revision > last.revision);
    }
  }
}

TEST_CASE("a server that is killed while it grows has all that it acknowledged", "[grow]") {
  constexpr auto kLongest = std::chrono::seconds(8);
  const uint32_t seed = Catch::getSeed();
  INFO("seed " << seed);
  std::minstd_rand random(seed);
  log::set_level(log::Level::error);
  const MonoTime start = system_clock().monotonic();
  int rounds = 0, begun = 0;
  for (; rounds < 60 && system_clock().monotonic() - start < kLongest; ++rounds) {
    const TestFolder folder;
    const Seen seen = run_and_kill(folder, random);
    REQUIRE(seen.grows);
    begun += has_raft_log(folder.path()) ? 1 : 0;
    Beginning beginning;
    Options options = options_in(folder);
    options.replication = &beginning.replication;
    const auto store = open_store(options);
    std::promise<Result<void>> synced;
    store->sync([&](Result<void> done) { synced.set_value(std::move(done)); });
    must(synced.get_future().get());
    require_all(*store, seen);
    must(store->commit(put("/after")));
  }
  log::set_level(log::Level::info);
  WARN(rounds << " kills, " << begun << " after the log had begun, seed " << seed);
}

}  // namespace
}  // namespace orch::store
