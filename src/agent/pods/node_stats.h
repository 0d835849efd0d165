// node_stats: what this node and its pods use, in the two forms that Kubernetes' monitoring reads:
// /stats/summary (kubelet's v1alpha1 document) and /metrics/resource (Prometheus text). PURE.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/runtime/types.h"
#include "api/json.h"
#include "base/clock.h"

namespace orch::pods {

struct ContainerUsage {
  std::string name, started_at;  // As the API has the time; "" = unknown.
  runtime::CgroupStats stats;
};
struct PodUsage {
  std::string ns, name, uid, started_at;
  std::vector<ContainerUsage> containers;  // Those that run.
};
struct NodeUsage {
  std::string node;
  WallTime now{};
  uint64_t cpu_usage_ns = 0;  // Since the machine started.
  int64_t memory_bytes = 0, available_memory_bytes = 0;
  int64_t disk_bytes = 0, free_disk_bytes = 0;  // Of the file system of the data folder.
  int64_t pids = 0, max_pids = 0;
  std::vector<PodUsage> pods;
};

// /proc/stat's first line as time in use; `ticks_per_second` as sysconf says.
uint64_t parse_cpu_usage_ns(std::string_view proc_stat, int64_t ticks_per_second);
// The containers of `pod` by name and id, of its status: those that run.
struct RunningContainer {
  std::string name, id, started_at;
};
std::vector<RunningContainer> running_containers(const api::Value& pod);

api::Value render_stats_summary(const NodeUsage& usage);
std::string render_resource_metrics(const NodeUsage& usage);

}  // namespace orch::pods
