#include "agent/runtime/oci_spec.h"

#include <algorithm>

#include "agent/runtime/capabilities.h"
#include "agent/runtime/seccomp.h"
#include "api/json.h"
#include "base/check.h"

namespace orch::runtime {

namespace {

using api::Value;

constexpr int64_t kDefaultCpuPeriodUs = 100'000;

Value strings(const std::vector<std::string>& texts) {
  Value array = Value::array();
  for (const std::string& text : texts) array.push_back(text);
  return array;
}

Value number(uint64_t n) {
  // JSON of the house keeps int64; "unlimited" (2^64-1) is written as the largest of those.
  return static_cast<int64_t>(std::min<uint64_t>(n, INT64_MAX));
}

Value render_process(const ContainerConfig& config, const HostLimits& host) {
  Value user = Value::object({{"uid", int64_t{config.uid}}, {"gid", int64_t{config.gid}}});
  for (const uint32_t group : config.groups) user["additionalGids"].push_back(int64_t{group});

  // Neither inheritable nor ambient: a user other than root starts with none, as in Kubernetes.
  const Value capabilities =
      strings(capability_names(capability_mask(config.capabilities) & host.capabilities));
  Value process = Value::object({
      {"terminal", config.tty},
      {"user", std::move(user)},
      {"args", strings(config.args)},
      {"env", strings(config.env)},
      {"cwd", config.cwd.empty() ? "/" : config.cwd},
      {"capabilities",
       Value::object(
           {{"bounding", capabilities}, {"effective", capabilities}, {"permitted", capabilities}})},
      {"noNewPrivileges", config.no_new_privileges},
      {"oomScoreAdj", clamp_oom_score_adj(config.resources.oom_score_adj, host)},
  });
  for (const Rlimit& limit : clamp_rlimits(config.rlimits, host))
    process["rlimits"].push_back(Value::object(
        {{"type", limit.type}, {"soft", number(limit.soft)}, {"hard", number(limit.hard)}}));
  return process;
}

Value mount(std::string_view target, std::string_view type, std::string_view source,
            const std::vector<std::string>& options) {
  return Value::object(
      {{"destination", target}, {"type", type}, {"source", source}, {"options", strings(options)}});
}

Value render_mount(const Mount& wanted) {
  std::vector<std::string> options;
  if (wanted.type.empty()) {
    options.push_back("rbind");
    switch (wanted.propagation) {
      case Propagation::none:
        options.push_back("rprivate");
        break;
      case Propagation::host_to_container:
        options.push_back("rslave");
        break;
      case Propagation::bidirectional:
        options.push_back("rshared");
        break;
    }
  }
  options.push_back(wanted.recursive_read_only ? "rro" : wanted.read_only ? "ro" : "rw");
  options.insert(options.end(), wanted.options.begin(), wanted.options.end());
  return mount(wanted.target, wanted.type.empty() ? "bind" : wanted.type, wanted.source, options);
}

// The defaults first, in an order in which each finds its mount point; then the caller's.
Value render_mounts(const ContainerConfig& config, const SpecContext& context) {
  const std::string sys_access = config.privileged ? "rw" : "ro";
  const std::vector<Value> defaults = {
      mount("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}),
      mount("/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}),
      mount("/dev/pts", "devpts", "devpts",
            {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}),
      mount("/dev/shm", "bind", context.shm_path, {"rbind", "rprivate", "rw"}),
      mount("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}),
      mount("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", sys_access}),
      mount("/sys/fs/cgroup", "cgroup", "cgroup",
            {"nosuid", "noexec", "nodev", "relatime", sys_access}),
  };
  Value mounts = Value::array();
  for (const Value& standard : defaults) {
    const std::string& target = standard["destination"].as_string();
    const bool replaced = std::any_of(config.mounts.begin(), config.mounts.end(),
                                      [&](const Mount& own) { return own.target == target; });
    if (!replaced) mounts.push_back(standard);
  }
  for (const Mount& own : config.mounts) mounts.push_back(render_mount(own));
  return mounts;
}

Value render_namespaces(const SpecContext& context) {
  Value namespaces = Value::array({Value::object({{"type", "mount"}})});
  if (context.cgroup_v2) namespaces.push_back(Value::object({{"type", "cgroup"}}));
  const auto join = [&](std::string_view type, const std::string& path) {
    if (!path.empty()) namespaces.push_back(Value::object({{"type", type}, {"path", path}}));
  };
  join("network", context.net_path);
  join("ipc", context.ipc_path);
  join("uts", context.uts_path);
  join("pid", context.pid_path);
  if (context.pid_path.empty() && !context.host_pid)
    namespaces.push_back(Value::object({{"type", "pid"}}));
  return namespaces;
}

Value render_resources(const ContainerConfig& config) {
  const Resources& wanted = config.resources;
  // runc adds the harmless devices (null, zero, tty, ...) to what is allowed here.
  Value resources = Value::object(
      {{"devices",
        Value::array({Value::object({{"allow", config.privileged}, {"access", "rwm"}})})}});
  // No swap beyond the limit: v1 counts memory+swap here, v2 runc subtracts.
  if (wanted.memory_bytes)
    resources["memory"] =
        Value::object({{"limit", *wanted.memory_bytes}, {"swap", *wanted.memory_bytes}});
  if (wanted.cpu_shares) resources["cpu"]["shares"] = *wanted.cpu_shares;
  if (wanted.cpu_quota_us) {
    resources["cpu"]["quota"] = *wanted.cpu_quota_us;
    resources["cpu"]["period"] = wanted.cpu_period_us.value_or(kDefaultCpuPeriodUs);
  }
  if (wanted.pids) resources["pids"] = Value::object({{"limit", *wanted.pids}});
  return resources;
}

// The strongest propagation that a mount asks for; the root must let it through.
std::string root_propagation(const ContainerConfig& config) {
  std::string propagation;
  for (const Mount& own : config.mounts) {
    if (own.propagation == Propagation::bidirectional) return "rshared";
    if (own.propagation == Propagation::host_to_container) propagation = "rslave";
  }
  return propagation;
}

Value render_devices(const std::vector<DeviceNode>& devices) {
  Value array = Value::array();
  for (const DeviceNode& device : devices)
    array.push_back(Value::object({{"path", device.path},
                                   {"type", std::string(1, device.type)},
                                   {"major", device.major},
                                   {"minor", device.minor},
                                   {"fileMode", int64_t{device.mode}},
                                   {"uid", int64_t{device.uid}},
                                   {"gid", int64_t{device.gid}}}));
  return array;
}

Value render_seccomp() {
  Value names = Value::array();
  for (const DeniedCall& call : denied_calls()) names.push_back(call.name);
  return Value::object({{"defaultAction", "SCMP_ACT_ALLOW"},
                        {"architectures", strings(seccomp_architectures())},
                        {"syscalls", Value::array({Value::object({{"names", std::move(names)},
                                                                  {"action", "SCMP_ACT_ERRNO"},
                                                                  {"errnoRet", kDeniedErrno}})})}});
}

Value render_linux(const ContainerConfig& config, const SpecContext& context) {
  Value linux_part = Value::object({{"cgroupsPath", "/" + context.cgroup},
                                    {"namespaces", render_namespaces(context)},
                                    {"resources", render_resources(config)}});
  const std::string propagation = root_propagation(config);
  if (!propagation.empty()) linux_part["rootfsPropagation"] = propagation;
  if (config.privileged) {
    linux_part["devices"] = render_devices(context.devices);
    return linux_part;
  }
  if (!config.unmasked_proc) {
    linux_part["maskedPaths"] =
        strings({"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
                 "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
                 "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware"});
    linux_part["readonlyPaths"] =
        strings({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"});
  }
  if (config.seccomp == Seccomp::runtime_default) linux_part["seccomp"] = render_seccomp();
  return linux_part;
}

}  // namespace

int clamp_oom_score_adj(int wanted, const HostLimits& host) {
  return std::clamp(wanted, host.may_raise ? -1000 : host.min_oom_score_adj, 1000);
}

std::vector<Rlimit> clamp_rlimits(const std::vector<Rlimit>& wanted, const HostLimits& host) {
  std::vector<Rlimit> limits = wanted;
  if (host.may_raise) return limits;
  for (Rlimit& limit : limits) {
    const auto hard = host.hard_rlimits.find(limit.type);
    if (hard == host.hard_rlimits.end()) continue;
    limit.hard = std::min(limit.hard, hard->second);
    limit.soft = std::min(limit.soft, limit.hard);
  }
  return limits;
}

std::string render_oci_spec(const ContainerConfig& config, const SpecContext& context) {
  return api::to_json(Value::object({
      {"ociVersion", "1.0.2"},
      {"process", render_process(config, context.host)},
      {"root", Value::object({{"path", config.rootfs}, {"readonly", config.read_only_rootfs}})},
      {"mounts", render_mounts(config, context)},
      {"linux", render_linux(config, context)},
  }));
}

}  // namespace orch::runtime
