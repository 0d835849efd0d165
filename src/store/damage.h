// Damage: what lies on disk isn't what was written (a bit that flipped, a file that is gone), told
// apart from a disk that can't be read or written just now. Trying again doesn't help; other
// servers that have the same state do (server/cluster/repair.h).
#pragma once

#include <string>

#include "base/status.h"

namespace orch::store {

// The message names the file and what is wrong with it.
Status damaged(std::string message);
bool is_damaged(const Status& status);

// The other way in which one of several servers is at its end: the others don't count it any more.
Status removed(std::string message);
bool is_removed(const Status& status);

}  // namespace orch::store
