// Observed: one moment's knowledge about a pod on this node; what pod_actions() and pod_status()
// decide from. Made by PodWorker from the runtime, the record, the probes and the image pulls.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/pods/pod_record.h"
#include "base/clock.h"

namespace orch::pods {

// How far the image for a container's next start is.
struct ImageState {
  enum class Phase { unknown, pulling, ready, failed };
  Phase phase = Phase::unknown;
  std::string reason, message;  // failed: "ErrImagePull", the registry's words.
  WallTime failed_at{}, retry_at{};
  int64_t backoff_s = 0;
};

// A start that failed before there was a container: "CreateContainerConfigError" and its kind.
struct StartFailure {
  std::string reason, message;
  WallTime retry_at{};
};

struct ContainerObserved {
  ContainerHistory history;
  ImageState image;
  std::optional<StartFailure> failure;
  bool stopping = false;  // A kill is under way.
  bool started = false;   // Runs, its postStart hook is done and its startup probe has passed.
  bool ready = false;     // Started, and its readiness probe (if any) passes.
  std::string unhealthy;  // "liveness" or "startup": that probe gave up on it; "" = none did.
};

struct Observed {
  WallTime now{};
  bool gone = false;  // The API has no such pod any more.
  bool sandbox_exists = false;
  bool sandbox_ready = false;
  std::optional<WallTime> setup_retry_at;  // Volumes or sandbox failed; not before then again.
  std::string host_ip;
  std::string pod_ip;
  std::map<std::string, ContainerObserved> containers;

  // Of a container that nothing is known about: nothing.
  const ContainerObserved& of(const std::string& name) const;
};

}  // namespace orch::pods
