// container_config: a container of a pod's spec → what the runtime starts. Pure; what must be
// looked up (environment, user, paths) was looked up before and comes in.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/images/images.h"
#include "agent/pods/environment.h"
#include "agent/pods/users.h"
#include "agent/runtime/types.h"
#include "agent/volumes/volumes.h"
#include "api/json.h"

namespace orch::pods {

// A mount as the spec wants it. With a sub_path, the source is bound beneath its volume first
// (volumes::bind_sub_path) and then replaced by where it was bound.
struct PlannedMount {
  runtime::Mount mount;
  std::string sub_path;
};

// 400 when a mount names no volume of the pod.
Result<std::vector<PlannedMount>> plan_mounts(const api::Value& container,
                                              const std::map<std::string, volumes::Volume>& volumes,
                                              const Environment& environment);

struct ContainerInput {
  const api::Value& pod;
  const api::Value& container;
  std::string id;
  uint32_t attempt = 0;
  const images::ImageConfig& image;
  const Environment& environment;
  User user;
  std::vector<runtime::Mount> mounts;  // Of volumes.
  std::string rootfs, log_path;
  std::string hosts_path, hostname_path, resolv_path, termination_path;  // Files on the node.
  std::string hostname;
  int64_t node_memory_bytes = 0;
  std::string process_target;  // Id of the container whose processes it is to see; "" = none.
};
Result<runtime::ContainerConfig> container_config(const ContainerInput& input);

runtime::SandboxConfig sandbox_config(const api::Value& pod, const std::string& log_dir);

// The number of a signal by name or number ("SIGQUIT", "QUIT", "3"); SIGTERM when it is none.
int signal_number(const std::string& text);

}  // namespace orch::pods
