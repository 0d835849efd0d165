// What lies on disk, row by row and as it lies there, on a connection of its own: it may be asked
// for while the store is in use. Any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::store {

// NotFound when the directory has no store.
Result<void> scan_database(
    const std::string& directory,
    const std::function<void(std::string_view key, std::string_view stored)>& visit);

}  // namespace orch::store
