// Ballots: watches elections from outside, on the wire. A voter gives one vote in a term, who leads
// has those of most voters of his configuration, and nobody says that he stored what isn't on his
// disk, for that is a vote for an entry. What goes wrong here need not lose anything in this run;
// it would in another.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace orch::sim {

class Ballots {
 public:
  using Complain = std::function<void(std::string what)>;
  explicit Ballots(Complain complain) : complain_(std::move(complain)) {}

  // `voter` has sent a vote, itself.
  void vote(uint64_t voter, uint64_t term, uint64_t candidate) {
    const uint64_t first = votes_.try_emplace({term, voter}, candidate).first->second;
    if (first == candidate) return;
    complain_(name(voter) + " votes for " + std::to_string(first) + " and for " +
              std::to_string(candidate) + " in term " + std::to_string(term));
  }
  // `server` has said that it stored the log up to the one, and has it on disk up to the other.
  void store(uint64_t server, uint64_t said, uint64_t on_disk) {
    if (said <= on_disk) return;
    complain_(name(server) + " says that it has stored entry " + std::to_string(said) +
              ", and has entry " + std::to_string(on_disk) + " on its disk");
  }
  // `leader` begins to lead; `voters` are those of its own configuration.
  void lead(uint64_t leader, uint64_t term, const std::vector<uint64_t>& voters) {
    const uint64_t first = leaders_.try_emplace(term, leader).first->second;
    if (first != leader) {
      complain_(name(first) + " and " + name(leader) + " lead in term " + std::to_string(term));
    }
    size_t count = 0;
    for (const uint64_t voter : voters) {
      const auto found = votes_.find({term, voter});
      count += voter == leader || (found != votes_.end() && found->second == leader) ? 1 : 0;
    }
    if (count * 2 > voters.size()) return;
    complain_(name(leader) + " leads in term " + std::to_string(term) + " by " +
              std::to_string(count) + " votes of " + std::to_string(voters.size()));
  }

 private:
  static std::string name(uint64_t server) { return "server " + std::to_string(server); }

  const Complain complain_;
  std::map<std::pair<uint64_t, uint64_t>, uint64_t> votes_;  // By term and voter.
  std::map<uint64_t, uint64_t> leaders_;                     // By term.
};

}  // namespace orch::sim
