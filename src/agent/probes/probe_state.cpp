#include "agent/probes/probe_state.h"

#include <algorithm>

namespace orch::probes {

const char* kind_name(Kind kind) {
  return kind == Kind::startup ? "startup" : kind == Kind::readiness ? "readiness" : "liveness";
}
const char* kind_title(Kind kind) {
  return kind == Kind::startup ? "Startup" : kind == Kind::readiness ? "Readiness" : "Liveness";
}
const char* kind_field(Kind kind) {
  return kind == Kind::startup     ? "startupProbe"
         : kind == Kind::readiness ? "readinessProbe"
                                   : "livenessProbe";
}

Thresholds thresholds_of(const api::Value& probe) {
  const auto positive = [&](std::string_view name, int64_t otherwise) {
    return std::max<int64_t>(1, probe[name].as_int(otherwise));
  };
  Thresholds thresholds;
  thresholds.initial_delay_s = std::max<int64_t>(0, probe["initialDelaySeconds"].as_int());
  thresholds.period_s = positive("periodSeconds", 10);
  thresholds.timeout_s = positive("timeoutSeconds", 1);
  thresholds.success = positive("successThreshold", 1);
  thresholds.failure = positive("failureThreshold", 3);
  return thresholds;
}

ProbeState after_result(const ProbeState& state, const Thresholds& thresholds, bool success) {
  ProbeState next = state;
  next.in_a_row = state.last_success == success ? state.in_a_row + 1 : 1;
  next.last_success = success;
  if (success && next.in_a_row >= thresholds.success) next.verdict = Verdict::passed;
  if (!success && next.in_a_row >= thresholds.failure) next.verdict = Verdict::failed;
  return next;
}

}  // namespace orch::probes
