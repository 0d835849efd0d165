#include "server/admission/pod_security.h"

#include <optional>
#include <utility>

#include "base/strings.h"
#include "server/admission/pod_security_checks.h"

namespace orch::admission {
namespace {

using api::Value;
using Texts = std::vector<std::string>;

constexpr std::string_view kLabelPrefix = "pod-security.kubernetes.io/";

std::optional<SecurityLevel> parse_level(std::string_view text) {
  if (text == "privileged") return SecurityLevel::privileged;
  if (text == "baseline") return SecurityLevel::baseline;
  if (text == "restricted") return SecurityLevel::restricted;
  return std::nullopt;
}

std::optional<int> parse_version(std::string_view text) {
  if (text == "latest") return SecurityPolicy::kLatest;
  if (!text.starts_with("v1.") || text.size() > 6) return std::nullopt;
  const auto minor = parse_int(text.substr(3));
  if (!minor || *minor < 0 || (text[3] == '0' && text.size() > 4)) return std::nullopt;
  return static_cast<int>(*minor);
}

std::string label_of(std::string_view mode) {
  return std::string(kLabelPrefix) + std::string(mode);
}

}  // namespace

std::string SecurityPolicy::to_text() const {
  static constexpr const char* kNames[] = {"privileged", "baseline", "restricted"};
  return kNames[static_cast<int>(level)] + std::string(":") +
         (minor == kLatest ? "latest" : "v1." + std::to_string(minor));
}

bool SecurityPolicy::tighter_than(const SecurityPolicy& other) const {
  if (level != other.level) return level > other.level;
  return level != SecurityLevel::privileged && minor != other.minor;
}

SecurityPolicy security_policy(const Value& ns, std::string_view mode) {
  const Value& labels = ns.at("metadata.labels");
  const std::string& level = labels[label_of(mode)].as_string();
  const std::string& version = labels[label_of(mode) + "-version"].as_string();
  SecurityPolicy policy;
  if (level.empty()) return policy;
  policy.level = parse_level(level).value_or(SecurityLevel::restricted);
  if (!version.empty()) policy.minor = parse_version(version).value_or(SecurityPolicy::kLatest);
  return policy;
}

void validate_security_labels(const Value& ns, api::Causes* causes) {
  const Value& labels = ns.at("metadata.labels");
  for (const char* mode : {"enforce", "audit", "warn"}) {
    const std::string label = label_of(mode);
    const Value& level = labels[label];
    if (!level.is_null() && !parse_level(level.as_string())) {
      api::add_invalid(causes, "metadata.labels[" + label + "]", level,
                       "must be one of privileged, baseline, restricted");
    }
    const Value& version = labels[label + "-version"];
    if (!version.is_null() && !parse_version(version.as_string())) {
      api::add_invalid(causes, "metadata.labels[" + label + "-version]", version,
                       "must be \"latest\" or \"v1.x\"");
    }
  }
}

std::vector<SecurityViolation> check_pod_security(const SecurityPolicy& policy, const Value& pod) {
  std::vector<SecurityViolation> violations;
  for (const SecurityCheck& check : security_checks()) {
    if (check.level > policy.level || policy.minor < check.since) continue;
    if (check.baseline_only && policy.level == SecurityLevel::restricted) continue;
    if (auto found = check.find(pod, policy.minor)) violations.push_back(*std::move(found));
  }
  return violations;
}

std::string violation_text(const SecurityPolicy& policy,
                           const std::vector<SecurityViolation>& violations) {
  Texts parts;
  for (const auto& each : violations) parts.push_back(each.reason + " (" + each.detail + ")");
  return "PodSecurity \"" + policy.to_text() + "\": " + join(parts, ", ");
}

std::string reasons_text(const std::vector<SecurityViolation>& violations) {
  Texts reasons;
  for (const auto& each : violations) reasons.push_back(each.reason);
  return join(reasons, ", ");
}

}  // namespace orch::admission
