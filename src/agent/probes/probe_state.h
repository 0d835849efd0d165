// probe_state: what a row of probe results means. Pure.
// Follows Kubernetes' "Configure Liveness, Readiness and Startup Probes".
#pragma once

#include <cstdint>
#include <string>

#include "api/json.h"

namespace orch::probes {

enum class Kind { startup, readiness, liveness };
const char* kind_name(Kind kind);   // "liveness"
const char* kind_title(Kind kind);  // "Liveness", as messages begin.
const char* kind_field(Kind kind);  // "livenessProbe", the member of the container.

struct Thresholds {
  int64_t initial_delay_s = 0, period_s = 10, timeout_s = 1;
  int64_t success = 1, failure = 3;
};
Thresholds thresholds_of(const api::Value& probe);

enum class Verdict { unknown, passed, failed };

// One probe of one container. `verdict` changes when enough results in a row say so.
struct ProbeState {
  Verdict verdict = Verdict::unknown;
  int64_t in_a_row = 0;
  bool last_success = false;
};
ProbeState after_result(const ProbeState& state, const Thresholds& thresholds, bool success);

}  // namespace orch::probes
