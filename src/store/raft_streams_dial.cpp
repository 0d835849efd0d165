// RaftStreams: the streams that libraft asks for: when each is tried (connect_tries.h), and that
// not much waits for one.
#include "store/raft_streams.h"

namespace orch::store {

namespace {

// Of libraft's messages, for each stream of its that is to be opened.
constexpr unsigned kMaxWaitingMessages = 3;

}  // namespace

void RaftStreams::connect(Connecting connecting) {
  // libraft has one stream to a server: one that it still waits for, it has given up.
  for (auto it = connecting_.begin(); it != connecting_.end();) {
    const Connecting older = it->second;
    const bool given_up = older.server == connecting.server && !older.dialled;
    it = given_up ? connecting_.erase(it) : std::next(it);
    if (given_up) older.done(older.request, nullptr, RAFT_CANCELED);
  }
  connecting_[++connects_] = std::move(connecting);
  dial_those_due();
}

// Now, and again when the next of them is due.
void RaftStreams::dial_those_due() {
  if (closed_) return;
  std::optional<uint64_t> next;
  for (auto& [number, connecting] : connecting_) {
    if (connecting.dialled) continue;
    const auto due = tries_.next(connecting.server, members_.contains(connecting.server));
    if (due && *due <= now()) {
      dial(number);
    } else if (due) {
      next = std::min(next.value_or(*due), *due);
    }
  }
  uv_timer_stop(&next_try_);
  if (!next) return;
  const auto try_again = [](uv_timer_t* timer) {
    static_cast<RaftStreams*>(timer->data)->dial_those_due();
  };
  uv_timer_start(&next_try_, try_again, *next - now(), 0);
}

void RaftStreams::dial(uint64_t number) {
  Connecting& connecting = connecting_[number];
  connecting.dialled = true;
  const auto heard = heard_.find(connecting.server);
  open(connecting.server, heard == heard_.end() ? connecting.address : heard->second,
       StreamUse::raft, [this, number](UniqueFd fd) { end_dial(number, std::move(fd)); });
}

void RaftStreams::end_dial(uint64_t number, UniqueFd fd) {
  const auto found = connecting_.find(number);
  if (found == connecting_.end()) return;
  const Connecting ended = found->second;
  connecting_.erase(found);
  uv_stream_t* const stream = fd ? adopt(std::move(fd)) : nullptr;
  stream != nullptr ? tries_.forget(ended.server) : tries_.failed(ended.server, now());
  ended.done(ended.request, stream, stream != nullptr ? 0 : RAFT_NOCONNECTION);
}

void RaftStreams::showed_up(uint64_t server) {
  tries_.forget(server);
  dial_those_due();
}

void RaftStreams::cancel_connecting() {
  for (const auto& [number, waiting] : std::exchange(connecting_, {})) {
    waiting.done(waiting.request, nullptr, RAFT_CANCELED);
  }
}

bool RaftStreams::takes(uint64_t server) {
  for (auto& [number, connecting] : connecting_) {
    if (connecting.server == server && connecting.messages++ >= kMaxWaitingMessages) return false;
  }
  return true;
}

}  // namespace orch::store
