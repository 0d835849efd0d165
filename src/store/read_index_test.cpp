// The read index by itself, each message in the hand of the test. What whole servers do with it is
// in tests/sim.
#include "store/read_index.h"

#include <catch2/catch_test_macros.hpp>
#include <string>
#include <utility>
#include <vector>

namespace orch::store {
namespace {

struct Sent final : Peers {
  std::vector<std::pair<uint64_t, std::string>> messages;
  void send(uint64_t server, std::string message) override {
    messages.emplace_back(server, std::move(message));
  }
};

void deliver(const std::string& message, uint64_t from, ReadIndex* to) {
  Unpacking in(message);
  const auto kind = static_cast<PeerMessage>(in.number());
  const uint64_t first = in.number(), second = in.number();
  REQUIRE(in.ok());
  to->receive(from, kind, first, second, 1);
}

ReadIndex::Standing standing(uint64_t applied, bool leads) {
  return {.now = 1000,
          .term = 1,
          .leader = 1,
          .commit = applied,
          .applied = applied,
          .leads = leads,
          .lead_from = 1,
          .voters = {1}};
}

}  // namespace

TEST_CASE("an answer to a server's earlier life doesn't answer its reads") {
  Sent sent;
  ReadIndex leader({.server = 1, .boot = 1}, sent, 1000, 300);
  ReadIndex before({.server = 2, .boot = 1}, sent, 1000, 300);
  bool read = false;
  before.sync([](const Result<void>&) {}, 1000);
  before.turn(standing(5, false));
  deliver(sent.messages.at(0).second, 2, &leader);
  leader.turn(standing(5, true));
  const std::string late = sent.messages.at(1).second;

  // Server 2 starts anew; in the meantime entry 6 was acknowledged, and it has not heard of it.
  ReadIndex after({.server = 2, .boot = 2}, sent, 1000, 300);
  after.sync([&read](const Result<void>& synced) { read = synced.ok(); }, 1000);
  after.turn(standing(5, false));
  deliver(late, 1, &after);
  after.turn(standing(5, false));
  CHECK_FALSE(read);

  deliver(sent.messages.at(2).second, 2, &leader);
  leader.turn(standing(6, true));
  deliver(sent.messages.at(3).second, 1, &after);
  after.turn(standing(5, false));
  CHECK_FALSE(read);  // Entry 6 is still to come.
  after.turn(standing(6, false));
  CHECK(read);
}

}  // namespace orch::store
