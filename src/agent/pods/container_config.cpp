#include "agent/pods/container_config.h"

#include <csignal>
#include <cstring>

#include "agent/pods/etc_files.h"
#include "agent/pods/pod_spec.h"
#include "agent/pods/qos.h"
#include "agent/runtime/runtime.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

constexpr const char* kDefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
constexpr const char* kDefaultTerminationPath = "/dev/termination-log";

runtime::Propagation propagation_of(const api::Value& mount) {
  const auto& text = mount["mountPropagation"].as_string();
  if (text == "HostToContainer") return runtime::Propagation::host_to_container;
  if (text == "Bidirectional") return runtime::Propagation::bidirectional;
  return runtime::Propagation::none;
}

// The image's variables, over them the container's; HOSTNAME and PATH where nobody says them.
std::vector<std::string> merged_environment(const ContainerInput& input) {
  std::map<std::string, std::string> merged = {{"PATH", kDefaultPath},
                                               {"HOSTNAME", input.hostname}};
  for (const auto& entry : input.image.env) {
    const size_t equals = entry.find('=');
    if (equals != entry.npos) merged[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  for (const auto& [name, value] : input.environment) merged[name] = value;
  std::vector<std::string> list;
  for (const auto& [name, value] : merged) list.push_back(name + "=" + value);
  return list;
}

std::vector<std::string> strings_of(const api::Value& list) {
  std::vector<std::string> out;
  for (const auto& item : list.items()) out.push_back(item.as_string());
  return out;
}

Result<runtime::Seccomp> seccomp_of(const ContainerInput& input) {
  const auto& own = input.container["securityContext"]["seccompProfile"];
  const auto& profile =
      own.is_null() ? input.pod["spec"]["securityContext"]["seccompProfile"] : own;
  const auto& type = profile["type"].as_string();
  if (type == "Localhost") return bad_request("seccomp profiles of type Localhost are unsupported");
  return type == "RuntimeDefault" ? runtime::Seccomp::runtime_default
                                  : runtime::Seccomp::unconfined;
}

Result<void> add_security(const ContainerInput& input, runtime::ContainerConfig* config) {
  const auto& context = input.container["securityContext"];
  config->privileged = context["privileged"].as_bool();
  config->read_only_rootfs = context["readOnlyRootFilesystem"].as_bool();
  config->unmasked_proc = context["procMount"].as_string() == "Unmasked";
  config->no_new_privileges = !context["allowPrivilegeEscalation"].as_bool(true);
  config->capabilities = ORCH_TRY(runtime::resolve_capabilities(
      strings_of(context["capabilities"]["add"]), strings_of(context["capabilities"]["drop"]),
      config->privileged));
  config->seccomp = config->privileged ? runtime::Seccomp::unconfined : ORCH_TRY(seccomp_of(input));
  config->uid = input.user.uid;
  config->gid = input.user.gid;
  config->groups = input.user.groups;
  return {};
}

void add_file(const std::string& source, const std::string& target,
              runtime::ContainerConfig* config) {
  if (source.empty()) return;
  for (const auto& mount : config->mounts) {
    if (mount.target == target) return;  // The pod mounts something of its own there.
  }
  runtime::Mount mount;
  mount.source = source;
  mount.target = target;
  config->mounts.push_back(std::move(mount));
}

}  // namespace

Result<std::vector<PlannedMount>> plan_mounts(const api::Value& container,
                                              const std::map<std::string, volumes::Volume>& volumes,
                                              const Environment& environment) {
  const std::map<std::string, std::string> variables(environment.begin(), environment.end());
  std::vector<PlannedMount> planned;
  for (const auto& entry : container["volumeMounts"].items()) {
    const auto& name = entry["name"].as_string();
    const auto volume = volumes.find(name);
    if (volume == volumes.end()) return bad_request("volume " + name + " is not in the pod");
    PlannedMount mount;
    mount.mount.source = volume->second.path;
    mount.mount.target = entry["mountPath"].as_string();
    if (!mount.mount.target.starts_with('/')) mount.mount.target = "/" + mount.mount.target;
    mount.mount.read_only = volume->second.read_only || entry["readOnly"].as_bool();
    mount.mount.recursive_read_only =
        mount.mount.read_only && entry["recursiveReadOnly"].as_string() == "Enabled";
    mount.mount.propagation = propagation_of(entry);
    mount.sub_path = entry["subPath"].as_string();
    if (const auto& expression = entry["subPathExpr"].as_string(); !expression.empty()) {
      mount.sub_path = expand(expression, variables);
    }
    planned.push_back(std::move(mount));
  }
  return planned;
}

Result<runtime::ContainerConfig> container_config(const ContainerInput& input) {
  const auto& spec = input.container;
  runtime::ContainerConfig config;
  config.sandbox_id = pod_uid(input.pod);
  config.id = input.id;
  config.name = spec["name"].as_string();
  config.attempt = input.attempt;
  config.rootfs = input.rootfs;
  config.log_path = input.log_path;
  config.args =
      ORCH_TRY(container_args(spec, input.image.entrypoint, input.image.cmd, input.environment));
  config.env = merged_environment(input);
  const auto& cwd = spec["workingDir"].as_string();
  if (!input.image.working_dir.empty()) config.cwd = input.image.working_dir;
  if (!cwd.empty()) config.cwd = cwd;
  ORCH_TRY(add_security(input, &config));
  config.mounts = input.mounts;
  add_file(input.hosts_path, "/etc/hosts", &config);
  add_file(input.hostname_path, "/etc/hostname", &config);
  add_file(input.resolv_path, "/etc/resolv.conf", &config);
  const auto& termination = spec["terminationMessagePath"].as_string();
  add_file(input.termination_path, termination.empty() ? kDefaultTerminationPath : termination,
           &config);
  config.resources = container_resources(input.pod, spec, input.node_memory_bytes);
  config.tty = spec["tty"].as_bool();
  config.stdin_open = spec["stdin"].as_bool();
  config.stdin_once = spec["stdinOnce"].as_bool();
  config.process_target = input.process_target;
  return config;
}

runtime::SandboxConfig sandbox_config(const api::Value& pod, const std::string& log_dir) {
  const auto& spec = pod["spec"];
  runtime::SandboxConfig config;
  config.id = pod_uid(pod);
  config.name = pod_name(pod);
  config.name_space = pod_namespace(pod);
  config.hostname = pod_hostname(pod);
  if (spec["setHostnameAsFQDN"].as_bool() && !spec["subdomain"].empty()) {
    config.hostname += "." + spec["subdomain"].as_string() + "." + pod_namespace(pod) + ".svc";
  }
  config.cgroup_parent = pod_cgroup(pod);
  config.limits = pod_cgroup_limits(pod);
  config.host_network = host_network(pod);
  config.host_ipc = spec["hostIPC"].as_bool();
  config.host_pid = spec["hostPID"].as_bool();
  config.share_process_namespace = spec["shareProcessNamespace"].as_bool();
  for (const auto& sysctl : spec["securityContext"]["sysctls"].items()) {
    config.sysctls[sysctl["name"].as_string()] = sysctl["value"].as_string();
  }
  config.log_dir = log_dir;
  return config;
}

int signal_number(const std::string& text) {
  if (const auto number = parse_int(text); number && *number > 0 && *number < NSIG) {
    return static_cast<int>(*number);
  }
  const std::string name = text.starts_with("SIG") ? text.substr(3) : text;
  for (int signal = 1; signal < NSIG; ++signal) {
    const char* known = ::sigabbrev_np(signal);
    if (known != nullptr && name == known) return signal;
  }
  return SIGTERM;
}

}  // namespace orch::pods
