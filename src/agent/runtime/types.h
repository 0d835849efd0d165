// The values that go into and come out of the runtime room: plain structs that know nothing of
// Kubernetes objects. Paths are absolute host paths unless said; sizes are bytes; times are UTC.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace orch::runtime {

// Limits of one cgroup (a pod, or "kubepods" and its QoS folders). Unset = leave as the kernel has
// it.
struct CgroupLimits {
  std::optional<int64_t> memory_bytes;
  std::optional<int64_t> cpu_shares;  // v1 scale, 2..262144; turned into cpu.weight on v2.
  std::optional<int64_t> cpu_quota_us;
  std::optional<int64_t> cpu_period_us;
  std::optional<int64_t> pids;

  bool operator==(const CgroupLimits&) const = default;
};

struct SandboxConfig {
  std::string id;    // The pod's uid: letters, digits, '-', '.', '_'; at most 128.
  std::string name;  // For logs and list() only.
  std::string name_space;
  std::string hostname;       // "" = keep the host's. Ignored with host_network.
  std::string cgroup_parent;  // Below the cgroup root: "kubepods/burstable/pod<uid>".
  CgroupLimits limits;        // Of cgroup_parent.
  bool host_network = false;
  bool host_ipc = false;
  bool host_pid = false;
  bool share_process_namespace = false;
  std::map<std::string, std::string> sysctls;  // "net.core.somaxconn" → "1024"; namespaced ones.
  std::string log_dir;                         // Made (0755) if missing; the caller removes it.
  int64_t shm_bytes = 64 << 20;                // The /dev/shm that the pod's containers share.
};

enum class Propagation { none, host_to_container, bidirectional };

struct Mount {
  std::string source;
  std::string target;  // In the container.
  bool read_only = false;
  Propagation propagation = Propagation::none;
  std::string type{};                  // "" = bind mount of `source`; else e.g. "tmpfs".
  std::vector<std::string> options{};  // Further mount options, as runc spells them.
  bool recursive_read_only = false;    // "rro": read_only also for what is mounted below `source`.
};

struct Rlimit {
  std::string type;  // "RLIMIT_NOFILE"
  uint64_t soft = 0;
  uint64_t hard = 0;
};

struct Resources {
  std::optional<int64_t> memory_bytes;
  std::optional<int64_t> cpu_shares;
  std::optional<int64_t> cpu_quota_us;
  std::optional<int64_t> cpu_period_us;
  std::optional<int64_t> pids;
  int oom_score_adj = 0;  // Clamped to what this process may set.
};

enum class Seccomp { unconfined, runtime_default };

struct ContainerConfig {
  std::string sandbox_id;
  std::string id;    // Unique on the node; same alphabet as SandboxConfig::id.
  std::string name;  // The container's name in the pod spec.
  uint32_t attempt = 0;
  std::string rootfs;             // Mounted by the images room; stays the caller's to unmount.
  std::vector<std::string> args;  // args[0] is looked up in PATH of `env`.
  std::vector<std::string> env;   // "NAME=value"
  std::string cwd = "/";
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;           // Supplementary.
  std::vector<std::string> capabilities;  // Final list, see resolve_capabilities().
  bool no_new_privileges = false;
  bool privileged = false;  // All devices, capabilities as listed, writable /sys, nothing masked.
  bool read_only_rootfs = false;
  bool unmasked_proc = false;  // procMount: Unmasked.
  std::vector<Mount> mounts;   // In order. A mount on a default target (/dev/shm) replaces it.
  Resources resources;
  std::vector<Rlimit> rlimits;  // Clamped to what this process may set.
  Seccomp seccomp = Seccomp::unconfined;
  bool tty = false;
  bool stdin_open = false;  // Keep a pipe open for attach(); else stdin is /dev/null.
  bool stdin_once = false;  // The first attach() session owns stdin: its end is the container's.
  std::string log_path;     // CRI log file; "" = output is dropped.
  // The running container of the same sandbox whose pid namespace this one enters; "" = its own.
  std::string process_target;
};

enum class ContainerStatus { created, running, exited };

struct Exit {
  int code = 0;    // 0..255; 128+signal when killed by a signal; 255 when nobody saw the exit.
  int signal = 0;  // 0 when it exited by itself.
  bool oom_killed = false;
  bool unknown = false;  // The shim died first: reason ContainerStatusUnknown.
  WallTime finished_at{};

  bool operator==(const Exit&) const = default;
};

struct ContainerState {
  std::string sandbox_id;
  std::string id;
  std::string name;
  uint32_t attempt = 0;
  ContainerStatus status = ContainerStatus::created;
  pid_t pid = 0;  // As the host sees it; 0 unless running.
  WallTime created_at{};
  WallTime started_at{};  // Epoch when it never started.
  Exit exit;              // Valid when exited.
  std::string log_path;
  std::string rootfs;
};

struct SandboxState {
  std::string id;
  std::string name;
  std::string name_space;
  bool ready = false;      // Its shim answers. False: remove_sandbox() and create anew.
  std::string netns_path;  // For setns and the network room; "" with host_network.
  std::string cgroup_parent;
  std::string log_dir;
  WallTime created_at{};
  std::vector<ContainerState> containers;
};

struct CgroupStats {
  uint64_t cpu_usage_ns = 0;  // Sum over all CPUs since the cgroup was made.
  uint64_t cpu_user_ns = 0, cpu_system_ns = 0;
  uint64_t cpu_periods = 0, cpu_throttled_periods = 0, cpu_throttled_ns = 0;  // Of its CPU limit.
  uint64_t memory_usage_bytes = 0;                                            // With page cache.
  uint64_t memory_working_set_bytes = 0;  // Usage less inactive file pages, as kubelet has it.
  uint64_t memory_rss_bytes = 0;
  uint64_t memory_cache_bytes = 0;
  uint64_t page_faults = 0;
  uint64_t major_page_faults = 0;
  std::optional<uint64_t> memory_limit_bytes;
  uint64_t pids = 0;
  uint64_t oom_kills = 0;
};

struct RuntimeVersion {
  std::string runc;  // "1.1.5+ds1"
  std::string path;  // "/usr/sbin/runc"
  bool cgroup_v2 = false;
};

struct ExecResult {
  int exit_code = 0;
  bool timed_out = false;  // The process was killed at the deadline; exit_code is 137.
  bool truncated = false;  // More output than the limit; the rest was read and dropped.
  std::string out;
  std::string err;
};

// Pushed to the listener.
struct Event {
  enum class Kind { container_exited, sandbox_lost };
  Kind kind = Kind::container_exited;
  std::string sandbox_id;
  std::string container_id;  // container_exited only.
  Exit exit;                 // container_exited only.
};

}  // namespace orch::runtime
