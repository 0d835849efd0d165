// node_stats: what this node and its pods use, in the forms that Kubernetes' monitoring reads:
// /stats/summary (kubelet's v1alpha1 document), /metrics/resource and /metrics/cadvisor (Prometheus
// text, the latter with cAdvisor's names and labels). PURE.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
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
  std::string id, image;
};
// What an interface has received and sent, as the pod sees it.
struct Traffic {
  uint64_t bytes = 0, packets = 0, errors = 0, dropped = 0;
};
struct InterfaceUsage {
  Traffic received, sent;
};
struct PodUsage {
  std::string ns, name, uid, started_at;
  std::vector<ContainerUsage> containers;  // Those that run.
  std::string cgroup;                      // "kubepods/burstable/pod…"
  std::optional<InterfaceUsage> network;   // Of eth0; none with the host's network.
};
struct NodeUsage {
  std::string node;
  WallTime now{};
  uint64_t cpu_usage_ns = 0;  // Since the machine started.
  int64_t memory_bytes = 0, available_memory_bytes = 0;
  int64_t disk_bytes = 0, free_disk_bytes = 0;  // Of the file system of the data folder.
  int64_t pids = 0, max_pids = 0, cpus = 0;
  std::vector<PodUsage> pods;
};

// /proc/stat's first line as time in use; `ticks_per_second` as sysconf says.
uint64_t parse_cpu_usage_ns(std::string_view proc_stat, int64_t ticks_per_second);
// The containers of `pod` by name and id, of its status: those that run.
struct RunningContainer {
  std::string name, id, started_at, image;
};
std::vector<RunningContainer> running_containers(const api::Value& pod);

// /proc/net/dev: by interface.
std::map<std::string, InterfaceUsage> parse_net_dev(std::string_view text);

api::Value render_stats_summary(const NodeUsage& usage);
std::string render_resource_metrics(const NodeUsage& usage);
std::string render_cadvisor_metrics(const NodeUsage& usage);

}  // namespace orch::pods
