// endpoint_address: which addresses traffic can be sent to from another machine. Pure. Used by the
// hooks of endpoints and services.
#pragma once

#include <string>

#include "api/causes.h"

namespace orch::api {

// Not unspecified, loopback, link-local or multicast: only its own machine reaches those.
void validate_reachable(const Value& ip, const std::string& path, Causes& causes);

}  // namespace orch::api
