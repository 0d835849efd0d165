// KubeletServer's statistics: what is in use now, read when asked for.
#include <unistd.h>

#include "agent/network/network.h"
#include "agent/pods/kubelet_request.h"
#include "agent/pods/kubelet_server.h"
#include "agent/pods/node_object.h"
#include "agent/pods/node_stats.h"
#include "agent/pods/pod_spec.h"
#include "agent/pods/qos.h"
#include "base/files.h"

namespace orch::pods {
namespace {

constexpr size_t kMaxProcFile = 1 << 20;

using Interfaces = std::map<std::string, InterfaceUsage>;

// The host's end of the pod's link counts the other way round.
std::optional<InterfaceUsage> network_of(const api::Value& pod, const Interfaces& interfaces) {
  const auto link = interfaces.find(network::host_interface_name(pod_uid(pod)));
  if (host_network(pod) || link == interfaces.end()) return std::nullopt;
  return InterfaceUsage{link->second.sent, link->second.received};
}

PodUsage usage_of(const api::Value& pod, runtime::Runtime& runtime, const Interfaces& interfaces) {
  PodUsage usage;
  usage.cgroup = pod_cgroup(pod);
  usage.network = network_of(pod, interfaces);
  usage.ns = pod.at("metadata.namespace").as_string();
  usage.name = pod.at("metadata.name").as_string();
  usage.uid = pod.at("metadata.uid").as_string();
  usage.started_at = pod.at("status.startTime").as_string();
  for (const RunningContainer& container : running_containers(pod)) {
    const auto stats = runtime.stats(container.id);
    // It may have ended just now.
    if (!stats.ok()) continue;
    usage.containers.push_back(
        {container.name, container.started_at, *stats, container.id, container.image});
  }
  return usage;
}

}  // namespace

NodeUsage KubeletServer::usage() const {
  const NodeFacts& facts = pods_.facts();
  const Machine machine = read_machine(facts.data_dir);
  NodeUsage usage;
  usage.node = facts.node_name;
  usage.now = clock_.now();
  usage.cpu_usage_ns = parse_cpu_usage_ns(read_file("/proc/stat", kMaxProcFile).value_or(""),
                                          ::sysconf(_SC_CLK_TCK));
  usage.memory_bytes = machine.memory_bytes;
  usage.available_memory_bytes = machine.available_memory_bytes;
  usage.disk_bytes = machine.disk_bytes;
  usage.free_disk_bytes = machine.free_disk_bytes;
  usage.pids = machine.pids;
  usage.max_pids = machine.max_pids;
  usage.cpus = machine.cpus;
  // Of this process's own network namespace, whatever is mounted at /sys.
  const auto interfaces =
      parse_net_dev(read_file("/proc/thread-self/net/dev", kMaxProcFile).value_or(""));
  for (const api::Value& pod : pods_.list()) {
    PodUsage of_pod = usage_of(pod, pods_.runtime(), interfaces);
    if (!of_pod.containers.empty()) usage.pods.push_back(std::move(of_pod));
  }
  return usage;
}

}  // namespace orch::pods
