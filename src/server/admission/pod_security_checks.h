// pod_security_checks: every control of the Pod Security Standards as one row of a table. PURE.
// Used by pod_security.cpp alone.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "server/admission/pod_security.h"

namespace orch::admission {

struct SecurityCheck {
  SecurityLevel level;
  int since;  // Kubernetes 1.since is the first version with it.
  // Nothing: the pod keeps it, as of 1.minor.
  std::function<std::optional<SecurityViolation>(const api::Value& pod, int minor)> find;
  bool baseline_only = false;  // restricted has a stronger one instead.
};

// In the order in which Kubernetes names them: those of baseline, then those of restricted.
const std::vector<SecurityCheck>& security_checks();

}  // namespace orch::admission
