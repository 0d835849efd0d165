// A leader's membership by itself, each message in the hand of the test. What whole servers do with
// it is in store_replication_test.cpp and tests/sim.
#include "store/membership.h"

#include <catch2/catch_test_macros.hpp>
#include <utility>

namespace orch::store {
namespace {

struct Sent final : Peers {
  std::vector<std::pair<uint64_t, std::string>> messages;
  void send(uint64_t server, std::string message) override {
    messages.emplace_back(server, std::move(message));
  }
};

}  // namespace

TEST_CASE("a change of a kind that a newer version may have is refused, not taken as done") {
  Sent sent;
  raft log{};
  Membership membership(
      {.server = 1, .boot = 1}, log, sent, 1000, [] {}, [](auto) {});
  std::string order;
  pack_number(7, &order);    // Its token.
  pack_number(200, &order);  // Its kind.
  pack_number(3, &order);
  pack_text("server-3", &order);
  pack_number(0, &order);
  membership.receive(2, PeerMessage::change, order);
  membership.turn(0, 1, true, true);
  REQUIRE(sent.messages.size() == 1);
  CHECK(sent.messages[0].first == 2);
  Unpacking in(sent.messages[0].second);
  CHECK(in.number() == static_cast<uint64_t>(PeerMessage::changed));
  CHECK(in.number() == 7);
  CHECK(in.number() == 400);
}

TEST_CASE("a message of a kind that a newer version may have orders no change") {
  Sent sent;
  raft log{};
  const auto is_sure = [](const Membership::Done& done) { done({}); };
  Membership membership(
      {.server = 1, .boot = 1}, log, sent, 1000, [] {}, is_sure);
  std::string message;
  for (const uint64_t number : {7, 3, 5}) pack_number(number, &message);  // As a removal of 5.
  pack_text("", &message);
  for (const uint64_t number : {0, 0, 0}) pack_number(number, &message);
  membership.receive(2, static_cast<PeerMessage>(9), message);
  membership.turn(0, 1, true, true);
  CHECK(sent.messages.empty());
  membership.receive(2, PeerMessage::change, message);
  membership.turn(0, 1, true, true);
  CHECK(sent.messages.size() == 1);
}

}  // namespace orch::store
