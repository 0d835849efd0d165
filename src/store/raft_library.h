// libraft 0.22.1 as C++ can read it. Its header is C: it has no `extern "C"`, and it asserts sizes
// of structs that are defined inside sizeof(), which C++ forbids. Those two assertions guard the
// library's own build, so they are blanked here, and what C++ sees is compared with what C sees.
// Only the store's replication includes this.
#pragma once

// First, so that raft.h's own includes find them done.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

extern "C" {
#define sizeof(...) 1
#include <raft.h>
#undef sizeof
}

static_assert(RAFT_VERSION_NUMBER == 2201, "docs/adr/0006-replication.md says what to check again");
static_assert(sizeof(raft) == 992 && sizeof(raft_message) == 96, "not as a C compiler lays it out");

namespace orch::store {

// Of room for entries on disk: where most voters have less, libraft refuses more of them.
inline constexpr unsigned kLowRoomKilobytes = 4 * 1024;

}  // namespace orch::store
