// node_object: what this node says about itself, as API objects. Pure but for read_machine().
// Follows Kubernetes' "Nodes" and "Well-Known Labels, Annotations and Taints".
#pragma once

#include <string>
#include <vector>

#include "agent/images/images.h"
#include "api/json.h"
#include "base/clock.h"

namespace orch::pods {

// What /proc, /etc and uname tell of the machine.
struct Machine {
  int64_t cpus = 0;
  int64_t memory_bytes = 0;
  int64_t available_memory_bytes = 0;
  int64_t disk_bytes = 0, free_disk_bytes = 0;  // Of the file system of the data folder.
  int64_t max_pids = 0, pids = 0;
  std::string kernel, os_image, architecture;  // "6.1.0-18-amd64", "Debian ...", "amd64"
  std::string machine_id, boot_id, system_uuid;
};
Machine read_machine(const std::string& data_dir);

struct NodeInput {
  std::string node_name, node_ip;
  uint16_t kubelet_port = 10250;
  std::string kubelet_version;  // "v1.32.4+orch..."
  std::string runtime_version;  // "runc://1.1.5"
  std::string host_name;        // uname's.
  std::vector<std::pair<std::string, std::string>> extra_labels;
  api::Value taints;  // Array for a new Node, or null.
  bool network_ready = false;
  std::string not_ready_reason;  // Why, when it is not.
};

inline constexpr int64_t kMaxPods = 110;

// The object to register; `existing` (or null) keeps what others wrote, our labels are set anew.
api::Value node_object(const NodeInput& input, const Machine& machine, const api::Value& existing);

// Its whole new status. Transition and heartbeat times of unchanged conditions are kept from `old`,
// but for lastHeartbeatTime when `beat`.
api::Value node_status(const NodeInput& input, const Machine& machine,
                       const std::vector<images::ImageRef>& images, const api::Value& old,
                       WallTime now, bool beat);

// The Lease that says that this node lives; `existing` null for a new one.
api::Value node_lease(const std::string& node_name, const api::Value& node,
                      const api::Value& existing, WallTime now);

}  // namespace orch::pods
