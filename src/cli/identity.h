// identity: the flags that say who is believed, with the files that they name read.
#pragma once

#include "base/result.h"
#include "cli/options.h"
#include "server/apiserver/server.h"

namespace orch::cli {

// 400 with the flag that can't be followed.
Result<void> read_identity(const IdentityFlags& flags, apiserver::Options* options);

}  // namespace orch::cli
