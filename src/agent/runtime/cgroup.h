// Cgroups: the few things that orch does to cgroups itself, the same for v1 (one folder in each
// hierarchy) and v2 (one folder). runc sets the limits of containers; this makes the folders above
// them, reads what they used, and kills and removes what is left.
//
// Paths are relative to the cgroup root: "kubepods/burstable/pod1". Thread-safe (immutable).
// Follows: the kernel's cgroup-v1/*.rst and cgroup-v2.rst; cpu.weight as KEP-2254 converts it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "agent/runtime/types.h"
#include "base/result.h"

namespace orch::runtime {

struct CgroupMounts {
  struct Hierarchy {
    std::string path;                      // Mount point.
    std::vector<std::string> controllers;  // v1: {"memory"}; empty for v2 and named ones.
    bool operator==(const Hierarchy&) const = default;
  };
  bool unified = false;  // v2 alone; false with v1 and hybrid.
  std::vector<Hierarchy> hierarchies;
  bool operator==(const CgroupMounts&) const = default;
};

// Pure: /proc/self/mounts → hierarchies. Of several mounts of one, the first counts.
CgroupMounts plan_cgroup_mounts(std::string_view mounts);
// cpu.shares 2..262144 → cpu.weight 1..10000. Pure.
int64_t cpu_weight(int64_t shares);

class Cgroups {
 public:
  explicit Cgroups(CgroupMounts mounts) : mounts_(std::move(mounts)) {}
  static Result<Cgroups> detect();

  bool unified() const { return mounts_.unified; }
  // Makes the folders of `path` and of those above it; on v2 hands controllers down to it.
  Result<void> create(const std::string& path) const;
  Result<void> set_limits(const std::string& path, const CgroupLimits& limits) const;
  // Moves the calling process. `path` exists.
  Result<void> join(const std::string& path) const;
  // The cgroup.procs files to write "0" to, to join (for a child after fork).
  std::vector<std::string> procs_files(const std::string& path) const;
  // Every process in `path` and below it, in any hierarchy.
  std::vector<pid_t> processes(const std::string& path) const;
  // SIGKILL to all in and below `path`; returns when none is left. Missing is success.
  Result<void> kill(const std::string& path) const;
  // Removes the empty folder and those below it. Missing is success.
  Result<void> remove(const std::string& path) const;
  // 404 when there is no such cgroup.
  Result<CgroupStats> stats(const std::string& path) const;
  // Processes of this cgroup that the kernel killed for want of memory; 0 when unknown.
  uint64_t oom_kills(const std::string& path) const;

 private:
  // The folder of `path` for `controller`; "" when it is not mounted.
  std::string folder(std::string_view controller, const std::string& path) const;
  void read_cpu(const std::string& path, CgroupStats* stats) const;

  CgroupMounts mounts_;
};

}  // namespace orch::runtime
