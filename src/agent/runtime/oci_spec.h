// What runc is told: ContainerConfig → the text of the bundle's config.json. Pure.
// Follows: OCI runtime specification 1.0.2, config.md and config-linux.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/runtime/types.h"

namespace orch::runtime {

// What this process may hand on; more is taken back to it (runc would refuse to start).
struct HostLimits {
  uint64_t capabilities = ~uint64_t{0};  // Bounding set.
  bool may_raise = true;                 // CAP_SYS_RESOURCE.
  int min_oom_score_adj = -1000;
  std::map<std::string, uint64_t> hard_rlimits;  // "RLIMIT_NOFILE" → our own hard limit.
};

struct DeviceNode {
  std::string path;
  char type = 'c';
  int64_t major = 0;
  int64_t minor = 0;
  uint32_t mode = 0666;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

// The pod's side of a container. An empty namespace path = the host's.
struct SpecContext {
  std::string net_path;
  std::string ipc_path;
  std::string uts_path;
  std::string pid_path;   // Set with share_process_namespace.
  bool host_pid = false;  // Else, without pid_path, a pid namespace of its own.
  std::string shm_path;   // Source of /dev/shm.
  std::string cgroup;     // Below the cgroup root, no leading '/'.
  bool cgroup_v2 = false;
  HostLimits host;
  std::vector<DeviceNode> devices;  // The host's, for privileged containers.
};

std::string render_oci_spec(const ContainerConfig& config, const SpecContext& context);

// The same clamps for who starts processes without runc (exec).
int clamp_oom_score_adj(int wanted, const HostLimits& host);
std::vector<Rlimit> clamp_rlimits(const std::vector<Rlimit>& wanted, const HostLimits& host);

}  // namespace orch::runtime
