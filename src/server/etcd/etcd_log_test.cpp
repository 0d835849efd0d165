// Stores on a real etcd, which is started here on loopback, killed, and put back to an older state.
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <future>

#include "base/fd.h"
#include "base/strings.h"
#include "server/etcd/datastore.h"
#include "store/claims.h"
#include "store/store_fixture.h"

extern char** environ;

namespace orch::etcd {

namespace {

using store::Committed;
using store::must;
using store::put;

uint16_t free_port() {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ORCH_CHECK(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
  ORCH_CHECK(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

class TestEtcd {
 public:
  TestEtcd() { start(); }
  ~TestEtcd() { kill(); }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::string data() const { return folder_.path() + "/data"; }

  void start() {
    const std::string peer = "http://127.0.0.1:" + std::to_string(peer_port_);
    std::vector<std::string> words = {"etcd",
                                      "--name=one",
                                      "--data-dir=" + data(),
                                      "--logger=zap",
                                      "--log-outputs=" + folder_.path() + "/log",
                                      "--listen-client-urls=" + url(),
                                      "--advertise-client-urls=" + url(),
                                      "--listen-peer-urls=" + peer,
                                      "--initial-advertise-peer-urls=" + peer,
                                      "--initial-cluster=one=" + peer};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    if (::posix_spawnp(&pid_, "etcd", nullptr, nullptr, argv.data(), environ) != 0) {
      pid_ = 0;
      SKIP("needs etcd");
    }
    wait_until([this] { return answers(); });
  }
  void kill() {
    if (pid_ == 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  bool answers() const {
    const auto gateway = *Gateway::create({.endpoints = {url()}, .call_ms = 2000});
    return gateway->call(kRangePath, leader_request(0)).ok();
  }

  // For what nobody tells. Bounded, and fails.
  template <class Question>
  static void wait_until(Question question) {
    for (int turn = 0; turn < 400; ++turn) {
      if (question()) return;
      ::poll(nullptr, 0, 50);
    }
    FAIL("not within 20 s");
  }

 private:
  store::TestFolder folder_;
  const uint16_t port_ = free_port(), peer_port_ = free_port();
  pid_t pid_ = 0;
};

// Of a service, what it claims: its text, with commas between.
store::Tags tags_of(std::string_view key, std::string_view bytes) {
  store::Tags tags = store::tag_by_key(key, bytes);
  if (!key.starts_with("/services/")) return tags;
  const size_t begin = bytes.find("data\":\"") + 7;
  for (const std::string_view claim : split(bytes.substr(begin, bytes.rfind('"') - begin), ',')) {
    tags.claims.emplace_back(claim);
  }
  return tags;
}

store::Write claiming(std::string key, std::string_view claims, int64_t expected) {
  store::Write write = put(std::move(key), claims, expected);
  write.tags = tags_of(write.key, *write.bytes);
  return write;
}

// A store on it, as a server has one.
struct OnEtcd {
  explicit OnEtcd(const std::string& url) {
    engine = *Datastore::create({.endpoint = url}, system_random());
    store::Options options;
    options.engine = engine.get();
    auto opened = store::Store::open(options, tags_of);
    if (!opened) FAIL(opened.status().message);
    store = *std::move(opened);
  }
  void wait_for_lead() {
    TestEtcd::wait_until([this] { return store->leadership().ours; });
  }
  Result<void> sync() {
    std::promise<Result<void>> answer;
    store->sync([&](Result<void> done) { answer.set_value(std::move(done)); });
    return answer.get_future().get();
  }

  std::unique_ptr<Datastore> engine;
  std::unique_ptr<store::Store> store;
};

}  // namespace

TEST_CASE("two stores on one etcd are one") {
  TestEtcd etcd;
  OnEtcd a(etcd.url()), b(etcd.url());
  store::Told told;
  const auto watch = *b.store->watch("", b.store->revision(), told.sink());

  const Committed made = must(a.store->commit(put("/pods/a", "1", 0)));
  REQUIRE(b.sync().ok());
  REQUIRE(b.store->get("/pods/a") != nullptr);
  CHECK(b.store->get("/pods/a")->bytes == made.record->bytes);
  CHECK(b.store->get("/pods/a")->revision == made.revision);

  const Committed changed = must(b.store->commit(put("/pods/a", "2", made.revision)));
  CHECK(changed.previous->bytes == made.record->bytes);
  // What it lost against is visible when a write is refused.
  CHECK(a.store->commit(put("/pods/a", "3", made.revision)).status().conflict());
  CHECK(a.store->get("/pods/a")->revision == changed.revision);
  CHECK(a.store->commit(put("/pods/a", "3", 0)).status().already_exists());
  must(a.store->commit(store::remove("/pods/a")));
  CHECK(b.store->commit(store::remove("/pods/a")).status().not_found());
  CHECK(b.store->get("/pods/a") == nullptr);

  const auto events = told.wait_for(3);
  CHECK(events[0].revision == made.revision);
  CHECK(events[1].revision == changed.revision);
  CHECK(events[2].type == store::EventType::remove);

  const auto large = a.store->commit(put("/pods/b", std::string(1'600'000, 'x')));
  CHECK(large.status().code == 413);
}

TEST_CASE("a consistent read sees what another server acknowledged just before") {
  TestEtcd etcd;
  OnEtcd a(etcd.url()), b(etcd.url());
  for (int turn = 0; turn < 200; ++turn) {
    const Committed made = must(a.store->commit(put("/pods/a", std::to_string(turn))));
    REQUIRE(b.sync().ok());
    REQUIRE(b.store->get("/pods/a")->revision == made.revision);
  }
}

TEST_CASE("two stores on one etcd give nothing away twice") {
  TestEtcd etcd;
  OnEtcd a(etcd.url()), b(etcd.url());
  const Committed first = must(a.store->commit(claiming("/services/a", "address 1,port 1", 0)));
  const auto held = b.store->commit(claiming("/services/b", "address 2,port 1", 0));
  REQUIRE_FALSE(held.ok());
  CHECK(store::is_claim_held(held.status()));
  must(b.store->commit(claiming("/services/b", "address 2", 0)));
  CHECK_FALSE(a.store->commit(claiming("/services/c", "address 2", 0)).ok());
  // What is given back by a change or with its holder is free for all.
  must(a.store->commit(claiming("/services/a", "address 1", first.revision)));
  must(b.store->commit(claiming("/services/c", "port 1", 0)));
  must(a.store->commit(store::remove("/services/b")));
  must(b.store->commit(claiming("/services/d", "address 2", 0)));
}

TEST_CASE("a count that another server has made wrong is refused") {
  TestEtcd etcd;
  OnEtcd a(etcd.url()), b(etcd.url());
  must(a.store->commit(put("/pods/a/1", "x", 0)));
  store::Write write = put("/pods/a/3", "x", 0);
  write.counted = {"/pods/a/", a.store->revision()};
  const Committed second = must(b.store->commit(put("/pods/a/2", "x", 0)));
  CHECK(a.store->commit(write).status().conflict());
  write.counted->revision = second.revision;
  must(a.store->commit(write));
}

TEST_CASE("one of two stores leads, and what it writes in an old term is refused") {
  TestEtcd etcd;
  std::vector<store::Leadership> told;  // The stores are gone before it.
  std::mutex mutex;
  auto a = std::make_unique<OnEtcd>(etcd.url());
  a->wait_for_lead();
  OnEtcd b(etcd.url());
  const store::Leadership first = a->store->leadership();
  REQUIRE(b.sync().ok());
  CHECK_FALSE(b.store->leadership().ours);
  CHECK(b.store->leadership().leader == first.leader);
  CHECK(b.store->leadership().term == first.term);

  store::Write fenced = put("/pods/a", "1");
  fenced.only_in_term = first.term;
  must(a->store->commit(fenced));
  b.store->on_leadership([&](const store::Leadership& now) {
    const std::lock_guard lock(mutex);
    told.push_back(now);
  });
  a.reset();  // It gives its lease back: nobody waits for it to run out.
  b.wait_for_lead();
  const store::Leadership second = b.store->leadership();
  CHECK(second.term > first.term);
  CHECK(second.leader != first.leader);
  CHECK(b.store->commit(fenced).status().code == 503);
  fenced.only_in_term = second.term;
  must(b.store->commit(fenced));
  TestEtcd::wait_until([&] {
    const std::lock_guard lock(mutex);
    return told.back() == second;
  });
  CHECK_FALSE(told.front().ours);
}

TEST_CASE("an etcd that is away refuses writes, and comes back by itself") {
  TestEtcd etcd;
  OnEtcd on(etcd.url());
  store::Told told;
  const auto watch = *on.store->watch("", on.store->revision(), told.sink());
  must(on.store->commit(put("/pods/a", "1")));
  etcd.kill();
  TestEtcd::wait_until([&] { return on.store->health() == store::Health::away; });
  const auto refused = on.store->commit(put("/pods/a", "2"));
  CHECK(refused.status().code == 503);
  CHECK(refused.status().message.find("etcd") != std::string::npos);
  CHECK(on.sync().status().code == 503);
  CHECK(on.store->get("/pods/a") != nullptr);
  etcd.start();
  TestEtcd::wait_until([&] { return on.store->health() == store::Health::good; });
  must(on.store->commit(put("/pods/a", "3")));
  CHECK(told.wait_for(2)[1].record->bytes == on.store->get("/pods/a")->bytes);
  // And with nobody there, an end is no wait.
  etcd.kill();
  on.store->close();
  CHECK(on.store->commit(put("/pods/a", "4")).status().code == 503);
}

TEST_CASE("an etcd that was put back to an older state is read anew") {
  TestEtcd etcd;
  OnEtcd on(etcd.url());
  must(on.store->commit(put("/pods/kept", "1")));
  etcd.kill();
  const std::string copy = etcd.data() + ".copy";
  std::filesystem::copy(etcd.data(), copy, std::filesystem::copy_options::recursive);
  etcd.start();
  TestEtcd::wait_until([&] { return on.store->health() == store::Health::good; });
  for (int i = 0; i < 50; ++i) must(on.store->commit(put("/pods/lost" + std::to_string(i), "1")));
  etcd.kill();
  std::filesystem::remove_all(etcd.data());
  std::filesystem::rename(copy, etcd.data());
  etcd.start();
  TestEtcd::wait_until([&] { return on.store->get("/pods/lost0") == nullptr; });
  CHECK(on.store->get("/pods/kept") != nullptr);
  TestEtcd::wait_until([&] { return on.store->health() == store::Health::good; });
  must(on.store->commit(put("/pods/again", "1", 0)));
}

TEST_CASE("another etcd at the address is not taken for the first one") {
  TestEtcd first, second;
  const auto gateway = *Gateway::create({.endpoints = {first.url(), second.url()}});
  CHECK(gateway->call(kRangePath, leader_request(0)).ok());
  gateway->turn_away();
  const auto other = gateway->call(kRangePath, leader_request(0));
  CHECK(other.status().code == 503);
  CHECK(other.status().message.find("restart orch") != std::string::npos);
  CHECK(gateway->call(kRangePath, leader_request(0)).ok());  // It went back.
}

}  // namespace orch::etcd
