// What the tests of several servers share: stores in one process, with streams between them that
// can be cut. For tests only.
#pragma once

#include <sys/socket.h>

#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <set>

#include "store/store_fixture.h"

namespace orch::store {

// The ways between the servers.
class Wires {
 public:
  void put(uint64_t server, const std::string& address, Store* store) {
    const std::lock_guard lock(mutex_);
    stores_[server] = store;
    at_[address] = server;
  }
  void take_away(uint64_t server) {
    const std::lock_guard lock(mutex_);
    stores_.erase(server);
    std::erase_if(at_, [&](const auto& pair) { return pair.second == server; });
  }
  // The other ends of this server's streams hear that it is gone.
  void hang_up(uint64_t server) {
    const std::lock_guard lock(mutex_);
    shut(server);
    std::erase_if(streams_, [&](const Stream& each) { return each.is_of(server); });
  }
  // Nothing gets from or to this server, until heal().
  void cut(uint64_t server) {
    const std::lock_guard lock(mutex_);
    cut_.insert(server);
    shut(server);
  }
  void heal() {
    const std::lock_guard lock(mutex_);
    cut_.clear();
  }
  // When one server tried to open a stream for libraft to the other, once there are so many tries.
  std::vector<MonoTime> dials(uint64_t from, uint64_t to, size_t count = 0) {
    std::unique_lock lock(mutex_);
    auto& all = dials_[{from, to}];
    dialled_.wait(lock, [&] { return all.size() >= count; });
    return all;
  }

  void connect(uint64_t from, uint64_t to, const std::string& address, StreamUse use,
               const PeerStreams::Connected& done) {
    int ends[2] = {-1, -1};
    ORCH_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    UniqueFd ours(ends[0]), theirs(ends[1]);
    {
      const std::lock_guard lock(mutex_);
      if (use == StreamUse::raft) dials_[{from, to}].push_back(system_clock().monotonic());
      dialled_.notify_all();
      const auto place = at_.find(address);
      const bool found = place != at_.end() && place->second == to && stores_.contains(to);
      if (found && !cut_.contains(from) && !cut_.contains(to)) {
        streams_.push_back({from, to, UniqueFd(::dup(ours.get()))});
        stores_[to]->accept_peer(from, use, std::move(theirs));
      }
    }
    if (theirs) return done(service_unavailable("nobody is at " + address));
    done(std::move(ours));
  }

 private:
  struct Stream {
    uint64_t from = 0, to = 0;
    UniqueFd end;
    bool is_of(uint64_t server) const { return from == server || to == server; }
  };
  void shut(uint64_t server) {
    for (const Stream& each : streams_) {
      if (each.is_of(server)) ::shutdown(each.end.get(), SHUT_RDWR);
    }
  }
  std::mutex mutex_;
  std::map<uint64_t, Store*> stores_;
  std::map<std::string, uint64_t> at_;
  std::set<uint64_t> cut_;
  std::vector<Stream> streams_;
  std::map<std::pair<uint64_t, uint64_t>, std::vector<MonoTime>> dials_;
  std::condition_variable dialled_;
};

// One of the servers: its folder stays, its store comes and goes.
class TestServer final : public PeerStreams {
 public:
  TestServer(Wires& wires, uint64_t id) : wires_(wires) {
    replication_.server = id;
    replication_.address = "server-" + std::to_string(id);
    replication_.streams = this;
    options_.directory = folder_.path();
    options_.replication = &replication_;
  }
  ~TestServer() override { stop(); }

  void start(bool begins = false) {
    if (const Result<void> started = try_start(begins); !started) FAIL(started.status().message);
  }
  Result<void> try_start(bool begins = false) {
    replication_.begins = begins;
    return open(options_);
  }
  // As a single server, which may grow with replication().
  void start_single() {
    replication_.begins = true;
    Options single = options_;
    single.replication = nullptr;
    if (const Result<void> opened = open(single); !opened) FAIL(opened.status().message);
  }
  void start_alone() {
    replication_.alone = true;
    start();
  }
  void stop() {
    if (!store_) return;
    wires_.take_away(id());
    store_.reset();
    wires_.hang_up(id());
  }
  // As a server that never was one.
  void forget() {
    stop();
    ORCH_CHECK(remove_tree(folder_.path()).ok() && make_dirs(folder_.path(), 0700).ok());
  }
  void move_to(const std::string& address) { replication_.address = address; }

  Store& operator*() { return *store_; }
  Store* operator->() { return &*store_; }
  uint64_t id() const { return replication_.server; }
  const std::string& address() const { return replication_.address; }
  const std::string& folder() const { return folder_.path(); }
  Options& options() { return options_; }
  const Replication& replication() const { return replication_; }

  // The leader, once one is known that isn't `other`.
  uint64_t wait_for_leader(uint64_t other = 0) {
    constexpr std::chrono::seconds kPatience{20};
    std::unique_lock lock(mutex_);
    const auto found = [&] { return seen_.leader != 0 && seen_.leader != other; };
    if (!changed_.wait_for(lock, kPatience, found)) {
      FAIL("server " << id() << " still has server " << seen_.leader << " for its leader");
    }
    return seen_.leader;
  }
  Result<void> change(MemberChange::Kind kind, uint64_t server, std::string address = "") {
    std::promise<Result<void>> answer;
    store_->change_members({kind, server, std::move(address)},
                           [&](Result<void> result) { answer.set_value(std::move(result)); });
    return answer.get_future().get();
  }
  Result<void> sync() {
    std::promise<Result<void>> answer;
    store_->sync([&](Result<void> result) { answer.set_value(std::move(result)); });
    return answer.get_future().get();
  }

  void connect(uint64_t server, const std::string& address, StreamUse use,
               Connected done) override {
    wires_.connect(id(), server, address, use, done);
  }

 private:
  Result<void> open(const Options& options) {
    store_ = ORCH_TRY(Store::open(options, tag_by_key));
    wires_.put(id(), replication_.address, &*store_);
    store_->on_leadership([this](const Leadership& now) {
      const std::lock_guard lock(mutex_);
      seen_ = now;
      ++leaderships_;
      changed_.notify_all();
    });
    return {};
  }

  Wires& wires_;
  TestFolder folder_;
  Replication replication_;
  Options options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  Leadership seen_;
  int leaderships_ = 0;
  std::unique_ptr<Store> store_;
};

inline void must(const Result<void>& result) {
  if (!result) FAIL(result.status().message);
}

// Servers 1 to 3; the first begins, the others are added as voters.
struct ThreeServers {
  ThreeServers() {
    first.start(true);
    first.wait_for_leader();
    for (TestServer* joiner : {&second, &third}) {
      joiner->start();
      must(first.change(MemberChange::Kind::add, joiner->id(), joiner->address()));
      must(first.change(MemberChange::Kind::promote, joiner->id()));
    }
  }
  TestServer& of(uint64_t id) { return id == 1 ? first : id == 2 ? second : third; }
  std::vector<TestServer*> all() { return {&first, &second, &third}; }
  std::vector<TestServer*> others(uint64_t id) {
    std::vector<TestServer*> rest = all();
    std::erase_if(rest, [&](const TestServer* server) { return server->id() == id; });
    return rest;
  }

  Wires wires;
  TestServer first{wires, 1}, second{wires, 2}, third{wires, 3};
};

inline std::string dump(Store& store) {
  std::string all;
  const auto range = store.range({});
  for (const RecordPtr& record : range->records) {
    all += std::string(record->key) + " " + std::to_string(record->create_revision) + " " +
           std::to_string(record->row) + " " + std::string(record->bytes) + "\n";
  }
  return all + std::to_string(range->revision);
}

}  // namespace orch::store
