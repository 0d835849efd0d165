// The pod's sandbox: made by the shim inside itself, taken down by anybody. Every namespace is
// pinned by a bind mount of its nsfs file, so that containers join by path and nothing is lost with
// the shim.
#pragma once

#include <sys/types.h>

#include "agent/runtime/cgroup.h"
#include "agent/runtime/faults.h"
#include "agent/runtime/paths.h"
#include "agent/runtime/types.h"
#include "base/result.h"

namespace orch::runtime {

// What the record "sandbox" says, and its way there and back.
Result<void> write_sandbox(const PodPaths& paths, const SandboxConfig& config, WallTime created_at);
Result<SandboxConfig> read_sandbox(const PodPaths& paths, WallTime* created_at = nullptr);

// The calling process (the shim) joins the pod's cgroup, enters new namespaces, pins them, mounts
// /dev/shm, sets hostname and sysctls. With share_process_namespace, `pause` becomes the pid of the
// first process of the shared pid namespace. A failure leaves things for demolish_sandbox().
Result<void> enter_sandbox(const SandboxConfig& config, const PodPaths& paths,
                           const Cgroups& cgroups, Faults& faults, pid_t* pause);

// Kills every process of the pod, its shim too, and removes cgroups, mounts, runc's state and the
// folder. Whatever of it is missing is fine; it may be repeated.
Result<void> demolish_sandbox(const PodPaths& paths, const std::string& runc_root,
                              const Cgroups& cgroups);
// The same for one container, also for a half made one. Its exit record goes with the bundle.
Result<void> demolish_container(const PodPaths& paths, const std::string& runc_root,
                                const Cgroups& cgroups, const std::string& cgroup_parent,
                                const std::string& id);

}  // namespace orch::runtime
