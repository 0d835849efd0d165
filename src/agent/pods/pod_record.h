// PodRecord: what this node must not forget about a pod: the last spec that it saw (so that the pod
// starts after a reboot with no server in sight) and what became of its containers (so that restart
// counts, last states and back-offs survive a restart of orch). One JSON file a pod, written
// atomically whenever it changed. Reading and writing of the form are pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "api/json.h"
#include "base/clock.h"
#include "base/result.h"

namespace orch::pods {

// One run of a container.
struct ContainerRecord {
  std::string id;  // The runtime's: "<pod uid>_<name>_<attempt>".
  uint32_t attempt = 0;
  std::string image;     // As in the spec when it was started.
  std::string image_id;  // What status.imageID says: the repo digest, else the image's id.
  std::string stop_signal;
  WallTime created_at{}, started_at{};  // Epoch when it never started.

  bool finished = false;
  int exit_code = 0;
  int signal = 0;
  std::string reason, message;  // "Completed", "Error", "OOMKilled", "StartError", ...
  WallTime finished_at{};

  bool operator==(const ContainerRecord&) const = default;
};

struct ContainerHistory {
  std::optional<ContainerRecord> current, last;
  uint32_t next_attempt = 0;
  int64_t backoff_s = 0;  // How long after its end the next start must wait.
  bool stale = false;     // `current` ran in an earlier sandbox (before a reboot, say).

  bool running() const { return current && !current->finished; }
  bool operator==(const ContainerHistory&) const = default;
};

struct PodRecord {
  api::Value pod;
  std::map<std::string, ContainerHistory> containers;  // By name.

  bool operator==(const PodRecord&) const = default;
};

api::Value record_to_json(const PodRecord& record);
Result<PodRecord> record_from_json(const api::Value& json);

inline constexpr int64_t kMaxRecordBytes = 4 << 20;

}  // namespace orch::pods
