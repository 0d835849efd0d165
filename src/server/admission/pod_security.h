// pod_security: the three levels of the Pod Security Standards, and what of a pod is against them.
// PURE.
// Follows: "Pod Security Standards", "Pod Security Admission" (labels, versions, words).
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "api/causes.h"
#include "api/json.h"

namespace orch::admission {

enum class SecurityLevel { privileged, baseline, restricted };

struct SecurityPolicy {
  static constexpr int kLatest = std::numeric_limits<int>::max();

  SecurityLevel level = SecurityLevel::privileged;
  int minor = kLatest;  // The rules as of Kubernetes 1.minor.

  std::string to_text() const;  // restricted:latest · baseline:v1.30
  // Whether more is forbidden than by `other`.
  bool tighter_than(const SecurityPolicy& other) const;
};

// What the labels pod-security.kubernetes.io/enforce, warn and audit (and their versions) of a
// namespace say. A label that says nothing sensible counts as the tightest it may be.
SecurityPolicy security_policy(const api::Value& ns, std::string_view mode);
void validate_security_labels(const api::Value& ns, api::Causes* causes);

struct SecurityViolation {
  std::string reason, detail;
};
// Of a pod or a template of pods: its metadata and spec.
std::vector<SecurityViolation> check_pod_security(const SecurityPolicy& policy,
                                                  const api::Value& pod);

// PodSecurity "restricted:latest": reason (detail), ...
std::string violation_text(const SecurityPolicy& policy,
                           const std::vector<SecurityViolation>& violations);
// The reasons alone: what is said of many pods at once.
std::string reasons_text(const std::vector<SecurityViolation>& violations);

}  // namespace orch::admission
