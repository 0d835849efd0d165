// component_status: the kind ComponentStatus, which nobody stores: what the control plane is made
// of, and how it is. All of it lives in this one process, so whatever can be asked is well.
// Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "server/apiserver/present.h"
#include "server/apiserver/route.h"

namespace orch::apiserver {

// The answer to get or list of componentstatuses.
Result<http::Response> serve_component_status(const Target& target, const Presentation& form,
                                              const std::vector<std::string>& components,
                                              WallTime now);

}  // namespace orch::apiserver
