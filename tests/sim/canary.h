// Canaries: deliberate faults around the product's code, each of which the checks must notice in
// some seed. A check that no canary can upset proves nothing.
#pragma once

#include <array>
#include <string_view>
#include <utility>

namespace orch::sim {

enum class Canary {
  none,
  lying_disk,     // Says "written" long before it is.
  lying_table,    // The same of the table, and of all of it.
  blind_disk,     // Gives back what was damaged as if it were whole.
  early_acks,     // A leader counts what it has sent as if the other had it.
  out_of_order,   // A follower puts two entries the other way round.
  unasked_reads,  // A leader answers consistent reads without asking whether it still leads.
  yes_to_reads,   // A voter says to everybody that his term still stands,
  yes_to_votes,   // or votes for whoever asks.
  removed_votes,  // A server that was removed votes in the name of a member.
};

inline constexpr std::array<std::pair<std::string_view, Canary>, 9> kCanaries{{
    {"lying-disk", Canary::lying_disk},
    {"lying-table", Canary::lying_table},
    {"blind-disk", Canary::blind_disk},
    {"early-acks", Canary::early_acks},
    {"out-of-order", Canary::out_of_order},
    {"unasked-reads", Canary::unasked_reads},
    {"yes-to-reads", Canary::yes_to_reads},
    {"yes-to-votes", Canary::yes_to_votes},
    {"removed-votes", Canary::removed_votes},
}};

}  // namespace orch::sim
