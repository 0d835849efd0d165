// run_probe: performs one probe and says how it went. Blocks up to the probe's timeout; any thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/json.h"
#include "base/result.h"

namespace orch::probes {

inline constexpr size_t kMaxProbeOutput = 64 << 10;  // Of a command, per stream.

struct Outcome {
  bool success = false;
  std::string message;  // Why not, in the words that `kubectl describe` shows.
};

struct ExecOutcome {
  int exit_code = 0;
  bool timed_out = false;
  std::string output;
};
// Runs a command in a container.
using Exec = std::function<Result<ExecOutcome>(
    const std::string& container_id, const std::vector<std::string>& argv, int64_t timeout_ms)>;

struct ProbeTarget {
  std::string container_id;
  std::string host;  // The pod's address.
  api::Value container;
  int cancel_fd = -1;  // Once it is readable, HTTP and TCP probes fail at once; not owned.
};

// `handler`: a probe or a lifecycle handler: exec, httpGet, tcpSocket, grpc.
Outcome run_probe(const ProbeTarget& target, const api::Value& handler, int64_t timeout_ms,
                  const Exec& exec);

// A port by number or by the name that the container gives it; 0 when there is none. Pure.
uint16_t resolve_port(const api::Value& container, const api::Value& port);

}  // namespace orch::probes
