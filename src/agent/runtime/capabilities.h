// Linux capabilities: names, numbers, the default set of a container. Pure but for the one reader.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace orch::runtime {

// The number of "CAP_CHOWN"; -1 when unknown.
int capability_number(std::string_view name);
// Bit n set = capability n. Unknown names are left out.
uint64_t capability_mask(const std::vector<std::string>& names);
// In the kernel's order.
std::vector<std::string> capability_names(uint64_t mask);
// What this process may hand on: its bounding set, from /proc/self/status.
uint64_t bounding_capabilities();

}  // namespace orch::runtime
