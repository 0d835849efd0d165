// What stays of a container on disk: the records "container" (what was asked for, as far as exec,
// logs and list() need it), "started" and "exit". Written by agent and shim, read by both.
#pragma once

#include <optional>

#include "agent/runtime/paths.h"
#include "agent/runtime/record.h"
#include "agent/runtime/types.h"

namespace orch::runtime {

// How the shim works; the same for all pods, fixed when its pod is made.
struct Settings {
  std::string runc;  // Absolute path.
  std::string runc_root;
  int64_t log_max_bytes = 0;
  int log_max_files = 0;
};
Result<void> write_settings(const PodPaths& paths, const Settings& settings);
Result<Settings> read_settings(const PodPaths& paths);

Record render_container(const ContainerConfig& config, WallTime created_at);
ContainerConfig parse_container(const Record& record);  // Without mounts and resources but oom.

Record render_exit(const Exit& exit);
Exit parse_exit(const Record& record);

// Puts the three files of one container together. `shim_alive` decides what an unfinished one is.
Result<ContainerState> read_container_state(const PodPaths& paths, const std::string& id,
                                            bool shim_alive);
Result<void> write_started(const PodPaths& paths, const std::string& id, pid_t pid,
                           WallTime started_at);

}  // namespace orch::runtime
