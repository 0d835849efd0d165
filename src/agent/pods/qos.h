// qos: a pod's quality of service class and what follows from it: its cgroup, its weights and
// limits, and who is killed first when memory runs out. Pure.
// Follows Kubernetes' "Pod Quality of Service Classes" and the node's cgroup layout (cgroupfs).
#pragma once

#include <cstdint>
#include <string>

#include "agent/runtime/types.h"
#include "api/json.h"

namespace orch::pods {

// "Guaranteed", "Burstable" or "BestEffort".
std::string qos_class(const api::Value& pod);

// "kubepods/burstable/pod<uid>"
std::string pod_cgroup(const api::Value& pod);

// The limits of the pod's own cgroup. Memory and quota only when every container has a limit.
runtime::CgroupLimits pod_cgroup_limits(const api::Value& pod);

runtime::Resources container_resources(const api::Value& pod, const api::Value& container,
                                       int64_t node_memory_bytes);

// The sum that the scheduler and this node count for `resource` ("cpu" in thousandths, else whole
// units): max over init containers, sum over the others, and the pod's overhead.
int64_t pod_request(const api::Value& pod, const std::string& resource);

}  // namespace orch::pods
