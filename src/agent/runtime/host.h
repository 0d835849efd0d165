// What this machine and this process offer to containers. Read once when the Runtime opens.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "agent/runtime/oci_spec.h"
#include "base/result.h"

namespace orch::runtime {

HostLimits read_host_limits();
// The device nodes below /dev, for privileged containers; not /dev/pts, shm, mqueue.
std::vector<DeviceNode> read_host_devices();
// `name` as an absolute path: itself, or found in PATH or the sbin folders. 503 when missing.
Result<std::string> find_program(const std::string& name, std::string_view package);
// The capabilities, oom score and rlimits that `host` lets us give; the rest unchanged. Pure.
ContainerConfig clamp_to_host(ContainerConfig config, const HostLimits& host);

}  // namespace orch::runtime
