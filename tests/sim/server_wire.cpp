// Server: what it is asked, and what passes between it and the others. The canaries that lie to
// others live here.
#include "server.h"

namespace orch::sim {

namespace {

constexpr char kRound = 4, kYes = 5;  // Of peers.h.

// A caller that is answered also when the server dies before it has woken up.
class Once {
 public:
  explicit Once(store::Replica::SyncDone done) : done_(std::move(done)) {}
  ~Once() { say(service_unavailable("the server died")); }
  Once(const Once&) = delete;
  Once& operator=(const Once&) = delete;

  void say(const Result<void>& result) {
    if (const auto done = std::exchange(done_, nullptr)) done(result);
  }

 private:
  store::Replica::SyncDone done_;
};

}  // namespace

// --- What clients and operators ask.

void Server::commit(store::Write write, store::CommitDone done) {
  when_awake([this, write = std::move(write), done = std::move(done)] {
    life_->replica->propose({write, done});
    turn();
  });
}

void Server::sync(store::Replica::SyncDone done) {
  when_awake([this, done = std::move(done)] {
    if (cluster_.canary == Canary::unasked_reads && life_->replica->leads()) return done({});
    life_->replica->sync(done);
    turn();
  });
}

void Server::change_members(const store::MemberChange& change, store::Replica::SyncDone done) {
  const auto told = std::make_shared<Once>(std::move(done));
  when_awake([this, change, told] {
    life_->replica->change_members(change,
                                   [told](const Result<void>& result) { told->say(result); });
    turn();
  });
}

// --- libraft's messages.

void Server::post(uint64_t to, Letter letter) {
  raft_message& head = letter.head;
  if (head.type == RAFT_REQUEST_VOTE_RESULT) {
    raft_request_vote_result& result = head.request_vote_result;
    if (cluster_.canary == Canary::yes_to_votes) result.vote_granted = true;
    if (result.vote_granted && !result.pre_vote) cluster_.ballots.vote(id_, result.term, to);
  }
  if (head.type == RAFT_APPEND_ENTRIES_RESULT && head.append_entries_result.rejected == 0) {
    cluster_.ballots.store(id_, head.append_entries_result.last_log_index, disk_.last());
  }
  if (cluster_.canary == Canary::early_acks && head.type == RAFT_APPEND_ENTRIES) {
    forge_ack(to, head.append_entries);
  }
  if (cluster_.canary == Canary::removed_votes && head.type == RAFT_REQUEST_VOTE) {
    forge_vote(to, head.request_vote);
  }
  cluster_.world.carry(Stream::raft, id_, to, [this, to, letter] {
    Server* const server = cluster_.of(to);
    if (server == nullptr || !server->lives()) return;
    server->when_awake([this, server, letter] { server->take_letter(id_, letter); });
  });
}

void Server::take_letter(uint64_t from, const Letter& letter) {
  const bool swaps = cluster_.canary == Canary::out_of_order && letter.entries.size() >= 2;
  if (!swaps || letter.entries[0].type != RAFT_COMMAND || letter.entries[1].type != RAFT_COMMAND) {
    return life_->port->receive(from, std::to_string(from), letter);
  }
  Letter swapped = letter;
  std::swap(swapped.entries[0], swapped.entries[1]);
  const raft_index first = letter.head.append_entries.prev_log_index + 1;
  for (size_t i = 0; i < 2; ++i) {
    Kept& entry = swapped.entries[i];
    store::stamp_entry(entry.bytes.data(), first + i, entry.term);
  }
  life_->port->receive(from, std::to_string(from), swapped);
}

void Server::forge_ack(uint64_t of, const raft_append_entries& sent) {
  if (sent.n_entries == 0) return;
  raft_message ack{};
  ack.type = RAFT_APPEND_ENTRIES_RESULT;
  ack.append_entries_result.term = sent.term;
  ack.append_entries_result.last_log_index = sent.prev_log_index + sent.n_entries;
  cluster_.world.after(1, [this, life = std::weak_ptr(life_), of, letter = Letter(ack)] {
    const auto same = life.lock();
    if (same && same == life_) when_awake([this, of, letter] { take_letter(of, letter); });
  });
}

void Server::forge_vote(uint64_t of, const raft_request_vote& asked) {
  bool somebody = false;
  for (const auto& each : cluster_.servers) somebody |= each->lives() && each->removed();
  if (!somebody) return;
  raft_message vote{};
  vote.type = RAFT_REQUEST_VOTE_RESULT;
  vote.request_vote_result.term = asked.term;
  vote.request_vote_result.vote_granted = true;
  vote.request_vote_result.pre_vote = asked.pre_vote;
  cluster_.world.after(1, [this, life = std::weak_ptr(life_), of, letter = Letter(vote)] {
    const auto same = life.lock();
    if (same && same == life_) when_awake([this, of, letter] { take_letter(of, letter); });
  });
}

// --- The replicas' own.

void Server::send(uint64_t to, std::string message) {
  cluster_.world.carry(Stream::messages, id_, to, [this, to, message = std::move(message)] {
    Server* const server = cluster_.of(to);
    if (server == nullptr || !server->lives()) return;
    server->when_awake([this, server, message] { server->deliver(id_, message); });
  });
}

void Server::deliver(uint64_t from, const std::string& message) {
  if (cluster_.canary == Canary::yes_to_reads && message.front() == kRound) {
    send(from, kYes + message.substr(1));
  }
  life_->replica->receive(from, message);
  turn();
}

}  // namespace orch::sim
