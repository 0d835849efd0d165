// encode: one rule as the bytes that ip_tables keeps (struct ipt_entry with its matches and target)
// and a normal form of such bytes, by which a rule in the kernel is told from a new one. Pure;
// knows the kernel's structures and nothing of libip4tc. For commit.cpp.
#pragma once

#include <string>
#include <string_view>

#include "netfilter/rules.h"

struct ipt_entry;

namespace orch::netfilter {

// An ipt_entry. Verdicts and jumps carry their name ("ACCEPT", a chain) as the target's name with
// an empty verdict, which is the form that libip4tc takes.
std::string encode_rule(const Rule& rule);

// What `entry` means, as bytes to compare: no counters, no padding, no kernel bookkeeping.
// `target` is the name of its verdict, chain or extension.
std::string normal_form(const ipt_entry& entry, std::string_view target);

}  // namespace orch::netfilter
