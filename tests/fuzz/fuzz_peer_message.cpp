// What one server says to another beside libraft's messages. They believe each other's numbers, not
// each other's bytes: a message is taken or dropped, whatever it holds, and whoever asked goes on
// asking. The first byte says how many messages there are to be.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "store/membership.h"
#include "store/read_index.h"

using namespace orch;
using namespace orch::store;

namespace {

struct Nobody final : Peers {
  void send(uint64_t, std::string message) override { ORCH_CHECK(!message.empty()); }
};

// As Replica::receive() has it.
void receive(std::string_view message, ReadIndex* reads, Membership* members) {
  Unpacking in(message);
  const auto kind = static_cast<PeerMessage>(in.number());
  if (kind >= PeerMessage::change) return members->receive(2, kind, in.rest());
  const uint64_t first = in.number(), second = in.number();
  if (in.ok() && kind != PeerMessage::batch) reads->receive(2, kind, first, second, 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Nobody nobody;
  raft log{};
  log.configuration_uncommitted_index = 1;  // A change is under way: libraft is left out.
  ReadIndex reads({.server = 1, .boot = 0}, nobody, 1000, 1000);
  const auto is_sure = [](const Membership::Done& done) { done({}); };
  Membership members(
      {.server = 1, .boot = 0}, log, nobody, 1000, [] {}, is_sure);
  int answers = 0;
  const auto done = [&answers](Result<void>) { ++answers; };
  reads.sync(done, 0);
  members.change({.kind = MemberChange::Kind::remove, .server = 3, .address = "", .replaces = 0},
                 done, 0);
  const size_t piece = bytes.size() / (1 + data[0] % 4) + 1;
  for (uint64_t now = 1; !bytes.empty(); ++now) {
    receive(bytes.substr(0, piece), &reads, &members);
    bytes.remove_prefix(std::min(piece, bytes.size()));
    reads.turn({.now = now,
                .term = 1,
                .leader = now % 3,
                .commit = now,
                .applied = now,
                .leads = now % 3 == 1,
                .lead_from = 0,
                .voters = {1, 2}});
    members.turn(now, now % 3, now % 3 == 1, true);
  }
  reads.give_up(UINT64_MAX, service_unavailable("the end"));
  members.give_up(UINT64_MAX, service_unavailable("the end"));
  ORCH_CHECK(answers == 2);
  return 0;
}
