// expected: does a write still find what it was made for? PURE.
#pragma once

#include "store/store.h"

namespace orch::store {

// `current` is the revision at which the key is; 0: it is not there. See Write::expected_revision.
Result<void> check_expected(const Write& write, int64_t current);
// 503 when it was made for another term than this one; see Write::only_in_term.
Result<void> check_term(const Write& write, uint64_t term);

}  // namespace orch::store
