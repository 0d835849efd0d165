// Runs the replicated store from seeds: servers on simulated time, disks and
// network, clients that write and read through any of them, faults of every
// kind at any moment, and the checks of history.h. One seed is one run, always
// the same.
//
//   sim --seeds=300 [--first=1] [--canary=lying-disk|yes-sayer] [--trace]
//
// Prints the first seed that fails and what was wrong; with --trace, all that
// happened. With a canary (a fault
// that the checks must notice) it fails when no seed does.
#include <stdlib.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "base/check.h"
#include "server.h"

namespace orch::sim {
namespace {

constexpr uint64_t kFaultyMs = 20'000;  // Then everything heals,
constexpr uint64_t kCalmMs = 30'000;    // and in this time all must be well.
constexpr int kClients = 6;
constexpr int kKeys = 6;
constexpr std::string_view kHead = R"({"metadata":{"resourceVersion":")";

class Run {
 public:
  Run(uint64_t seed, Canary canary, bool tells, const std::string& folder)
      : world_(seed), cluster_{world_, history_, canary, {}} {
    world_.tells = tells;
    const uint64_t servers = world_.chance(250) ? 5 : world_.chance(100) ? 1 : 3;
    for (uint64_t id = 1; id <= servers; ++id) {
      const std::string own = folder + "/" + std::to_string(id);
      cluster_.servers.push_back(std::make_unique<Server>(cluster_, id, own));
    }
  }

  std::string run() {
    for (const auto& server : cluster_.servers) server->start();
    for (int client = 0; client < kClients; ++client) next_operation();
    next_fault();
    const uint64_t faulty_until = world_.now() + kFaultyMs;
    while (history_.complaint().empty() && world_.step(faulty_until)) {
    }
    calm_ = true;
    heal();
    const uint64_t calm_until = world_.now() + kCalmMs;
    while (history_.complaint().empty() && !is_well() && world_.step(calm_until)) {
    }
    finish();
    return history_.complaint();
  }

  size_t operations() const { return history_.operations.size(); }
  size_t done() const { return done_; }
  size_t crashes() const { return crashes_; }

 private:
  // --- Clients: each asks the next when it has its answer, or has lost its
  // server.
  void next_operation() {
    if (calm_) return;
    world_.after(world_.between(1, 60), [this] { ask(); });
  }

  Server* any_server() {
    Server* const server = &*cluster_.servers[world_.below(cluster_.servers.size())];
    return server->lives() ? server : nullptr;
  }

  void ask() {
    Server* const server = any_server();
    if (server == nullptr) return next_operation();
    const size_t at = history_.operations.size();
    Operation operation;
    operation.key = "/k/" + std::to_string(world_.below(kKeys));
    operation.text = "w" + std::to_string(at);
    operation.asked = world_.tick();
    const uint64_t kind = world_.below(10);
    if (kind < 4) {
      operation.kind = Operation::read;
    } else {
      operation.kind = kind < 6 ? Operation::remove : Operation::put;
      if (world_.chance(700)) {
        const store::RecordPtr now = server->machine().get(operation.key);
        operation.expected = now ? now->revision : 0;
        if (operation.kind == Operation::remove && !now) operation.expected.reset();
      }
    }
    history_.operations.push_back(operation);
    ++open_;
    say(at, "is asked of server " + std::to_string(server->id()));
    // The client of a server that dies never hears of it; it goes on elsewhere.
    const auto ended = std::make_shared<bool>(false);
    const auto go_on = [this, ended] {
      if (std::exchange(*ended, true)) return;
      --open_;
      next_operation();
    };
    operation.kind == Operation::read ? ask_read(server, at, go_on) : ask_write(server, at, go_on);
    world_.after(12'000, go_on);
  }

  void ask_write(Server* server, size_t at, const std::function<void()>& go_on) {
    const Operation& operation = history_.operations[at];
    store::Write write;
    write.key = operation.key;
    write.expected_revision = operation.expected;
    if (operation.kind == Operation::put) {
      write.bytes = std::string(kHead) + R"("},"data":")" + operation.text + R"("})";
      write.revision_at = kHead.size();
    }
    server->commit(std::move(write), [this, at, go_on](Result<store::Committed> result) {
      Operation& answered = history_.operations[at];
      answered.answered = world_.tick();
      if (result.ok()) {
        answered.outcome = Operation::done;
        answered.revision = result->revision;
        history_.learn(result->revision, {answered.key, std::string(result->record->bytes),
                                          answered.kind == Operation::remove});
        ++done_;
      } else if (result.status().code < 500) {
        answered.outcome = Operation::lost_race;
      } else {
        answered.outcome = result.status().code == 504 ? Operation::unknown : Operation::refused;
      }
      say(at, "is answered");
      go_on();
    });
  }

  // An operation in the run's story.
  void say(size_t at, const std::string& what) const {
    if (!world_.tells) return;
    constexpr const char* kKinds[] = {"put", "remove", "read"};
    constexpr const char* kOutcomes[] = {"outcome unknown", "done", "lost its race", "refused"};
    const Operation& one = history_.operations[at];
    std::string line = one.text + ", the " + kKinds[one.kind] + " of " + one.key;
    if (one.expected) line += " at revision " + std::to_string(*one.expected);
    line += ", " + what;
    if (one.answered != 0) line += std::string(": ") + kOutcomes[one.outcome];
    if (one.outcome == Operation::done) line += " at revision " + std::to_string(one.revision);
    if (one.kind == Operation::read && one.answered != 0)
      line += ", saw " + one.seen.value_or("nothing");
    world_.say(line);
  }

  void ask_read(Server* server, size_t at, const std::function<void()>& go_on) {
    server->sync([this, server, at, go_on](const Result<void>& synced) {
      Operation& answered = history_.operations[at];
      answered.answered = world_.tick();
      answered.outcome = synced.ok() ? Operation::done : Operation::refused;
      if (synced.ok()) {
        const auto range = server->machine().range({.prefix = answered.key});
        ORCH_CHECK(range.ok());
        answered.revision = range->revision;
        if (!range->records.empty()) {
          const store::Record& record = *range->records[0];
          answered.seen = std::string(record.bytes);
          history_.learn(record.revision, {answered.key, *answered.seen, false});
        }
        ++done_;
      }
      say(at, "is answered");
      go_on();
    });
  }

  // --- Faults.
  void next_fault() {
    if (calm_) return;
    world_.after(world_.between(50, 1500), [this] {
      if (calm_) return;
      inject();
      next_fault();
    });
  }

  void inject() {
    Server& server = *cluster_.servers[world_.below(cluster_.servers.size())];
    const uint64_t count = cluster_.servers.size();
    switch (world_.below(14)) {
      case 0:
      case 1:
        if (server.lives()) crash(server, false);
        return;
      case 2:
        if (server.lives()) crash(server, true);
        return;
      case 3:  // The room goes dark.
        if (!world_.chance(500)) return;
        for (const auto& each : cluster_.servers) {
          if (each->lives()) crash(*each, true);
        }
        return;
      case 4:
      case 5:
        if (!server.lives()) server.start();
        return;
      case 6:  // One way or both.
      case 7: {
        const uint64_t from = world_.between(1, count), to = world_.between(1, count);
        world_.cut.emplace(from, to);
        if (world_.chance(600)) world_.cut.emplace(to, from);
        return;
      }
      case 8:
        world_.cut.clear();
        return;
      case 9:
        world_.faults = {.drop = world_.below(200),
                         .repeat = world_.below(100),
                         .slow_message = world_.below(100),
                         .slow_write = world_.below(100)};
        return;
      case 10:
        world_.faults = {};
        return;
      case 11:
      case 12: {
        const uint64_t ms = world_.between(100, 3000);
        server.sleep(ms);
        if (ms % 3 == 0) server.jump(ms * 10);  // As a suspended machine finds its clock.
        return;
      }
      default:
        if (server.lives()) server.remember_table();
        return;
    }
  }

  void crash(Server& server, bool power) {
    ++crashes_;
    server.crash(power);
  }

  void heal() {
    world_.cut.clear();
    world_.faults = {};
    for (const auto& server : cluster_.servers) {
      if (!server->lives()) server->start();
    }
  }

  // --- The end.
  bool is_well() {
    if (open_ > 0) return false;
    const int64_t revision = cluster_.servers.front()->machine().revision();
    for (const auto& server : cluster_.servers) {
      if (server->replica().leader() == 0 || server->replica().waiting() > 0) return false;
      if (server->machine().revision() != revision) return false;
    }
    return true;
  }

  void finish() {
    if (history_.complaint().empty() && !is_well()) {
      history_.complain("the faults are over, but the servers don't recover");
    }
    for (const auto& server : cluster_.servers) {
      if (server->lives()) server->collect();
    }
    if (!history_.complaint().empty()) return;
    const std::string state = cluster_.servers.front()->dump();
    for (const auto& server : cluster_.servers) {
      if (server->dump() != state) {
        history_.complain("two servers differ:\n" + state + "\n---\n" + server->dump());
      }
    }
    history_.check(2, cluster_.servers.front()->machine().revision());
  }

  World world_;
  History history_;
  Cluster cluster_;
  bool calm_ = false;
  int open_ = 0;
  size_t done_ = 0, crashes_ = 0;
};

struct Arguments {
  uint64_t seeds = 100, first = 1;
  Canary canary = Canary::none;
  bool tells = false;
};

Arguments parse(int count, char** values) {
  Arguments arguments;
  for (int i = 1; i < count; ++i) {
    const std::string text = values[i];
    const size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    const std::string value = equals == text.npos ? "" : text.substr(equals + 1);
    if (name == "--seeds") {
      arguments.seeds = std::stoull(value);
    } else if (name == "--first") {
      arguments.first = std::stoull(value);
    } else if (text == "--canary=lying-disk") {
      arguments.canary = Canary::lying_disk;
    } else if (text == "--canary=yes-sayer") {
      arguments.canary = Canary::yes_sayer;
    } else if (text == "--trace") {
      arguments.tells = true;
    } else {
      std::fprintf(stderr, "unknown argument: %s\n", text.c_str());
      std::exit(2);
    }
  }
  return arguments;
}

int run(const Arguments& arguments) {
  namespace fs = std::filesystem;
  char folder[] = "/tmp/orch-sim-XXXXXX";
  ORCH_CHECK(::mkdtemp(folder) != nullptr);
  size_t operations = 0, done = 0, crashes = 0;
  std::string wrong;
  uint64_t seed = arguments.first;
  for (; wrong.empty() && seed < arguments.first + arguments.seeds; ++seed) {
    const std::string own = std::string(folder) + "/" + std::to_string(seed);
    {
      Run one(seed, arguments.canary, arguments.tells, own);
      wrong = one.run();
      operations += one.operations();
      done += one.done();
      crashes += one.crashes();
    }
    fs::remove_all(own);
  }
  fs::remove_all(folder);
  std::printf("%llu seeds, %zu operations, %zu acknowledged, %zu crashes\n",
              static_cast<unsigned long long>(seed - arguments.first), operations, done, crashes);
  if (!wrong.empty()) {
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed - 1), wrong.c_str());
  }
  const bool should_fail = arguments.canary != Canary::none;
  if (should_fail && wrong.empty()) std::printf("the canary was not noticed\n");
  return wrong.empty() == should_fail ? 1 : 0;
}

}  // namespace
}  // namespace orch::sim

int main(int count, char** values) { return orch::sim::run(orch::sim::parse(count, values)); }
