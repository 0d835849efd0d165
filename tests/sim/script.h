// Servers: some servers and a script for them, on the simulation's time, disks and network.
#pragma once

#include <catch2/catch_test_macros.hpp>

#include "server.h"
#include "store/store_fixture.h"

namespace orch::sim {

using store::must;
using store::put;
using store::TestFolder;

inline constexpr uint64_t kPatienceMs = 60'000;  // Of simulated time.
inline constexpr uint64_t kSeeds = 10;

class Servers {
 public:
  Servers(uint64_t seed, size_t count)
      : world_(seed), cluster_(world_, history_, {}, folder_.path()) {
    for (; count > 0; --count) cluster_.add();
    for (const auto& server : cluster_.servers) server->start();
  }

  World& world() { return world_; }
  Server& add() {
    Server& server = cluster_.add();
    server.start();
    return server;
  }
  // Asked of that server; 0 when it was done, else the code of the refusal.
  int change(Server& asked, store::MemberChange::Kind kind, const Server& of) {
    std::optional<Result<void>> answer;
    asked.change_members({kind, of.id(), std::to_string(of.id())},
                         [&](const Result<void>& result) { answer = result; });
    run_until([&] { return answer.has_value(); });
    return answer->ok() ? 0 : answer->status().code;
  }
  Server& at(uint64_t id) { return *cluster_.of(id); }

  // Until `done`; fails when that takes too long.
  template <typename Done>
  void run_until(const Done& done) {
    const uint64_t until = world_.now() + kPatienceMs;
    while (!done()) {
      if (!world_.step(until)) FAIL("nothing more happens");
      if (!history_.complaint().empty()) FAIL(history_.complaint());
    }
  }
  void run_for(uint64_t ms) {
    const uint64_t until = world_.now() + ms;
    while (world_.step(until)) {
    }
  }

  // The one that leads most of the others.
  Server& leader() {
    Server* found = nullptr;
    run_until([&] {
      for (const auto& server : cluster_.servers) {
        if (!server->lives() || !server->replica().leads()) continue;
        size_t led = 0;
        for (const auto& each : cluster_.servers)
          led += each->lives() && each->replica().leader() == server->id();
        if (led * 2 > cluster_.servers.size()) found = &*server;
      }
      return found != nullptr;
    });
    return *found;
  }
  Server& another(const Server& than) { return at(than.id() % cluster_.servers.size() + 1); }

  // Written through that server; its revision. Whoever leads may change meanwhile.
  int64_t write(Server& server, const std::string& key, const std::string& text) {
    std::optional<Result<store::Committed>> answer;
    server.commit(put(key, text), [&](Result<store::Committed> result) { answer = result; });
    run_until([&] { return answer.has_value(); });
    return must(*std::move(answer)).revision;
  }
  void write_many(Server& server, int count) {
    for (int i = 0; i < count; ++i) write(server, "/k/" + std::to_string(i % 7), "x");
  }
  // What a consistent read through that server finds; "refused" when it gets no answer.
  std::string read(Server& server, const std::string& key) {
    std::optional<Result<void>> answer;
    server.sync([&](const Result<void>& result) { answer = result; });
    run_until([&] { return answer.has_value(); });
    if (!answer->ok()) return "refused";
    const store::RecordPtr record = server.machine().get(key);
    if (!record) return "nothing";
    const std::string_view bytes = record->bytes;
    const size_t begin = bytes.find("\"data\":\"") + 8;
    return std::string(bytes.substr(begin, bytes.size() - begin - 2));
  }

  void cut_off(const Server& server, bool is_cut = true) {
    for (const auto& each : cluster_.servers) {
      for (const auto& way : {std::pair(server.id(), each->id()), {each->id(), server.id()}}) {
        if (is_cut) {
          world_.cuts.cut(way.first, way.second);
        } else {
          world_.cuts.heal(way.first, way.second);
        }
      }
    }
  }

  void must_be_equal() {
    run_until([&] {
      for (const auto& each : cluster_.servers) {
        if (!each->lives() || each->replica().leader() == 0) return false;
        if (each->machine().revision() != at(1).machine().revision()) return false;
      }
      return true;
    });
    for (const auto& each : cluster_.servers) REQUIRE(each->dump() == at(1).dump());
  }

 private:
  TestFolder folder_;
  World world_;
  History history_;
  Cluster cluster_;
};

}  // namespace orch::sim
