// pod_actions: what to do next for a pod. Pure: the pod and what is observed come in, a list of
// steps comes out; PodWorker takes them and asks again. So every rule about order, restarts and
// back-off can be read and tested here, without a runtime.
//
// Follows Kubernetes' "Pod Lifecycle", KEP-753 (sidecar containers), KEP-277 (ephemeral ones).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/pods/observed.h"
#include "agent/pods/pod_spec.h"

namespace orch::pods {

inline constexpr int64_t kFirstBackoffS = 10;
inline constexpr int64_t kMaxBackoffS = 300;
// A container that ran so long is forgiven its earlier crashes.
inline constexpr int64_t kBackoffResetS = 600;
// How long a failed pull is shown as itself before it becomes ImagePullBackOff.
inline constexpr int64_t kShowPullErrorS = 2;

struct Kill {
  std::string container;
  int64_t grace_s = 30;
  std::string message;  // For the event.

  bool operator==(const Kill&) const = default;
};

struct PodActions {
  bool create_sandbox = false;  // With volumes; remove a dead one first.
  bool remove_sandbox = false;
  bool all_stopped = false;        // Nothing of a stopped pod is left to stop.
  std::vector<std::string> pull;   // Containers whose image must be made ready.
  std::vector<std::string> start;  // In this order.
  std::vector<Kill> kill;
  std::optional<WallTime> wake_at;

  bool operator==(const PodActions&) const = default;
};

PodActions pod_actions(const api::Value& pod, const Observed& observed);

// Why the pod as a whole has to be stopped.
enum class Stop { none, deleted, deadline, finished };
Stop stop_reason(const api::Value& pod, const Observed& observed);

// True when `record`, which has finished, is to be followed by another run.
bool should_restart(Kind kind, RestartPolicy policy, const ContainerRecord& record);
// When the next run may begin; the epoch when there was none.
WallTime restart_due(const ContainerHistory& history);
// The back-off that the run to be started now leaves behind.
int64_t next_backoff_s(const ContainerHistory& history);
// Doubling from 10 s to 5 min.
int64_t doubled_backoff_s(int64_t backoff_s);

}  // namespace orch::pods
