#include "store/read_index.h"

#include <algorithm>

namespace orch::store {

void ReadIndex::sync(Done done, uint64_t now) {
  readers_.push_back({.done = std::move(done), .since = now, .token = 0, .asked = 0, .index = {}});
}

void ReadIndex::leader_changed() {
  round_.reset();
  for (Reader& reader : readers_) reader.token = 0;
}

void ReadIndex::turn(const Standing& standing) {
  if (standing.leader != 0) ask(standing);
  begin_round(standing);
  finish_round(standing);

  std::vector<Reader> ready;  // Apart, for an answer may ask for the next.
  std::erase_if(readers_, [&](Reader& reader) {
    if (!reader.index || *reader.index > standing.applied) return false;
    ready.push_back(std::move(reader));
    return true;
  });
  for (const Reader& reader : ready) reader.done({});
}

// For readers that have no question under way: to ourselves when we lead.
void ReadIndex::ask(const Standing& standing) {
  for (Reader& reader : readers_) {
    const bool late = standing.now - reader.asked >= ask_again_ms_;
    if (reader.index || (reader.token != 0 && !late)) continue;
    reader.token = ++tokens_;
    reader.asked = standing.now;
    if (standing.leads) {
      askers_.emplace_back(self_, reader.token);
    } else {
      peers_.send(standing.leader, pack_message(PeerMessage::ask, reader.token, 0));
    }
  }
}

void ReadIndex::begin_round(const Standing& standing) {
  if (!standing.leads) {
    askers_.clear();
    return;
  }
  if (round_ && standing.now - round_->began >= round_ms_) {  // Ask again, for the same.
    askers_.insert(askers_.end(), round_->askers.begin(), round_->askers.end());
    round_.reset();
  }
  if (round_ || askers_.empty() || standing.commit < standing.lead_from) return;
  round_ = Round{.number = ++rounds_,
                 .term = standing.term,
                 .index = standing.commit,
                 .began = standing.now,
                 .yes = {self_},
                 .askers = std::exchange(askers_, {})};
  for (const uint64_t voter : standing.voters) {
    if (voter == self_) continue;
    peers_.send(voter, pack_message(PeerMessage::round, standing.term, round_->number));
  }
}

void ReadIndex::finish_round(const Standing& standing) {
  if (!round_) return;
  const auto said_yes = [this](uint64_t voter) { return round_->yes.contains(voter); };
  const auto yes = std::ranges::count_if(standing.voters, said_yes);
  if (static_cast<size_t>(yes) <= standing.voters.size() / 2) return;
  const Round done = *std::exchange(round_, std::nullopt);
  for (const auto& [server, token] : done.askers) {
    if (server == self_) {
      answer(token, done.index);
    } else {
      peers_.send(server, pack_message(PeerMessage::index, token, done.index));
    }
  }
}

void ReadIndex::answer(uint64_t token, uint64_t index) {
  for (Reader& reader : readers_) {
    if (reader.token == token) reader.index = index;
  }
}

void ReadIndex::receive(uint64_t from, PeerMessage kind, uint64_t first, uint64_t second,
                        uint64_t term) {
  switch (kind) {
    case PeerMessage::ask:
      askers_.emplace_back(from, first);
      return;
    case PeerMessage::index:
      return answer(first, second);
    case PeerMessage::round:
      // Whoever is in this term has voted in no later one.
      if (first == term) peers_.send(from, pack_message(PeerMessage::yes, first, second));
      return;
    case PeerMessage::yes:
      if (round_ && first == round_->term && second == round_->number) round_->yes.insert(from);
      return;
    default:
      return;
  }
}

void ReadIndex::give_up(uint64_t since_before, const Status& why) {
  std::vector<Reader> late;
  std::erase_if(readers_, [&](Reader& reader) {
    if (reader.since > since_before) return false;
    late.push_back(std::move(reader));
    return true;
  });
  for (const Reader& reader : late) reader.done(why);
}

}  // namespace orch::store
