// commit: writes our chains into this network namespace's ip_tables, whole tables at a time.
//
// The skin under netfilter/rules.h, and the only user of libip4tc (GPL-2-or-later; see
// docs/adr/0005-service-rules.md). A table is replaced by one system call, so a packet sees the old
// rules or the new ones, never a mixture. Chains and rules of other people stay as they are.
//
// Threads: one at a time (libip4tc keeps global state), in the network namespace to be changed.
// Needs CAP_NET_ADMIN and CAP_NET_RAW. Blocks while another program holds /run/xtables.lock.
#pragma once

#include <string>

#include "base/result.h"
#include "netfilter/rules.h"

namespace orch::netfilter {

inline constexpr const char* kXtablesLock = "/run/xtables.lock";

struct CommitReport {
  bool nat_changed = false;
  bool filter_changed = false;
};

// Makes our chains and jumps be exactly `tables`. A table that is so already is not written.
// 503 when the kernel has no ip_tables or not that table; other failures name the table.
Result<CommitReport> commit_tables(const Tables& tables,
                                   const std::string& lock_path = kXtablesLock);

// Takes out every chain and rule of ours, for uninstalling. Success when there is none, also when
// the kernel has no ip_tables.
Result<void> remove_all(const std::string& lock_path = kXtablesLock);

}  // namespace orch::netfilter
