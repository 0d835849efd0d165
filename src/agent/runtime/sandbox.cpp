#include "agent/runtime/sandbox.h"

#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/runtime/record.h"
#include "base/fd.h"
#include "base/files.h"

namespace orch::runtime {

namespace {

// Pins our own namespace (or that of `pid`) `name` at ns/<name>.
Result<void> pin(const PodPaths& paths, const std::string& name, const std::string& source) {
  const std::string target = paths.ns(name);
  const UniqueFd file(::open(target.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC, 0444));
  if (!file) return system_error("create " + target, errno);
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0)
    return system_error("pin namespace " + target, errno);
  return {};
}

Result<void> raise_loopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", 3);
  request.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
  if (!socket || ::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
    return system_error("bring up lo", errno);
  return {};
}

Result<void> mount_shm(const PodPaths& paths, int64_t bytes) {
  ORCH_TRY(make_dirs(paths.shm()));
  const std::string options = "mode=1777,size=" + std::to_string(bytes);
  if (::mount("shm", paths.shm().c_str(), "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              options.c_str()) != 0)
    return system_error("mount " + paths.shm(), errno);
  return {};
}

Result<void> write_sysctl(const std::string& name, const std::string& value) {
  if (name.find("..") != std::string::npos || name.find('\0') != std::string::npos)
    return bad_request("sysctl \"" + name + "\" is no name");
  std::string file = "/proc/sys/" + name;
  // "a.b" and "a/b" are both in use; in the second form dots belong to interface names.
  if (name.find('/') == std::string::npos)
    std::replace(file.begin() + strlen("/proc/sys/"), file.end(), '.', '/');
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), value.data(), value.size()) < 0)
    return system_error("sysctl " + name + "=" + value, errno);
  return {};
}

// The first process of the pod's shared pid namespace: it sleeps and reaps orphans.
[[noreturn]] void run_pause() {
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_SETMASK, &children, nullptr);
  for (;;) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    siginfo_t info;
    ::sigwaitinfo(&children, &info);
  }
}

Result<pid_t> start_pause() {
  // A raw clone without a stack of its own is a fork; the shim has one thread and is small.
  const long pid = ::syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (pid < 0) return system_error("clone the pod's pause process", errno);
  if (pid == 0) {
    ::close_range(3, ~0u, 0);
    run_pause();
  }
  return static_cast<pid_t>(pid);
}

Result<void> unmount(const std::string& target) {
  // EINVAL: no mount point; ENOENT: not even a file.
  while (::umount2(target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno != EINVAL && errno != ENOENT) return system_error("unmount " + target, errno);
  return {};
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = ::readdir(dir))
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  ::closedir(dir);
  return names;
}

}  // namespace

Result<void> write_sandbox(const PodPaths& paths, const SandboxConfig& config,
                           WallTime created_at) {
  Record record{{"id", config.id},
                {"name", config.name},
                {"namespace", config.name_space},
                {"hostname", config.hostname},
                {"cgroup_parent", config.cgroup_parent},
                {"log_dir", config.log_dir}};
  record.add_number("host_network", config.host_network);
  record.add_number("host_ipc", config.host_ipc);
  record.add_number("host_pid", config.host_pid);
  record.add_number("share_process_namespace", config.share_process_namespace);
  record.add_number("shm_bytes", config.shm_bytes);
  record.add_number("created_at_ns", created_at.time_since_epoch().count());
  for (const auto& [name, value] : config.sysctls) record.add("sysctl", name + "=" + value);
  return write_record(paths.sandbox(), record);
}

Result<SandboxConfig> read_sandbox(const PodPaths& paths, WallTime* created_at) {
  const Record record = ORCH_TRY(read_record(paths.sandbox()));
  SandboxConfig config;
  config.id = record.text("id");
  config.name = record.text("name");
  config.name_space = record.text("namespace");
  config.hostname = record.text("hostname");
  config.cgroup_parent = record.text("cgroup_parent");
  config.log_dir = record.text("log_dir");
  config.host_network = record.flag("host_network");
  config.host_ipc = record.flag("host_ipc");
  config.host_pid = record.flag("host_pid");
  config.share_process_namespace = record.flag("share_process_namespace");
  config.shm_bytes = record.number("shm_bytes");
  for (const std::string& sysctl : record.all("sysctl")) {
    const size_t equals = sysctl.find('=');
    config.sysctls[sysctl.substr(0, equals)] = sysctl.substr(equals + 1);
  }
  if (created_at != nullptr)
    *created_at = WallTime(std::chrono::nanoseconds(record.number("created_at_ns")));
  return config;
}

Result<void> enter_sandbox(const SandboxConfig& config, const PodPaths& paths,
                           const Cgroups& cgroups, Faults& faults, pid_t* pause) {
  ORCH_TRY(faults.step("join cgroup"));
  ORCH_TRY(cgroups.join(shim_cgroup(config.cgroup_parent)));

  ORCH_TRY(faults.step("unshare"));
  int spaces = 0;
  if (!config.host_network) spaces |= CLONE_NEWNET | CLONE_NEWUTS;
  if (!config.host_ipc) spaces |= CLONE_NEWIPC;
  if (spaces != 0 && ::unshare(spaces) != 0) return system_error("unshare", errno);

  ORCH_TRY(make_dirs(paths.namespaces()));
  if (!config.host_network) {
    ORCH_TRY(faults.step("pin net"));
    ORCH_TRY(pin(paths, "net", "/proc/self/ns/net"));
    ORCH_TRY(raise_loopback());
    ORCH_TRY(faults.step("pin uts"));
    if (!config.hostname.empty() &&
        ::sethostname(config.hostname.data(), config.hostname.size()) != 0)
      return system_error("set hostname " + config.hostname, errno);
    ORCH_TRY(pin(paths, "uts", "/proc/self/ns/uts"));
  }
  if (!config.host_ipc) {
    ORCH_TRY(faults.step("pin ipc"));
    ORCH_TRY(pin(paths, "ipc", "/proc/self/ns/ipc"));
    ORCH_TRY(faults.step("mount shm"));
    ORCH_TRY(mount_shm(paths, config.shm_bytes));
  }
  if (config.share_process_namespace && !config.host_pid) {
    ORCH_TRY(faults.step("start pause"));
    *pause = ORCH_TRY(start_pause());
    ORCH_TRY(faults.step("pin pid"));
    ORCH_TRY(pin(paths, "pid", "/proc/" + std::to_string(*pause) + "/ns/pid"));
  }
  ORCH_TRY(faults.step("sysctls"));
  for (const auto& [name, value] : config.sysctls) ORCH_TRY(write_sysctl(name, value));
  return {};
}

Result<void> demolish_container(const PodPaths& paths, const std::string& runc_root,
                                const Cgroups& cgroups, const std::string& cgroup_parent,
                                const std::string& id) {
  const std::string cgroup = container_cgroup(cgroup_parent, id);
  ORCH_TRY(cgroups.kill(cgroup));
  ORCH_TRY(cgroups.remove(cgroup));
  // All that runc keeps of a container is its cgroup and this folder; removing both ourselves is
  // one way for exited, half made and orphaned containers (`runc delete` knows only the first).
  ORCH_TRY(remove_tree(runc_root + "/" + id));
  return remove_tree(paths.bundle(id));
}

Result<void> demolish_sandbox(const PodPaths& paths, const std::string& runc_root,
                              const Cgroups& cgroups) {
  const Result<SandboxConfig> config = read_sandbox(paths);
  if (config && !config->cgroup_parent.empty()) ORCH_TRY(cgroups.kill(config->cgroup_parent));
  for (const std::string& id : names_in(paths.containers()))
    ORCH_TRY(remove_tree(runc_root + "/" + id));
  for (const std::string& name : names_in(paths.namespaces())) ORCH_TRY(unmount(paths.ns(name)));
  ORCH_TRY(unmount(paths.shm()));
  if (config && !config->cgroup_parent.empty()) ORCH_TRY(cgroups.remove(config->cgroup_parent));
  return remove_tree(paths.folder);
}

}  // namespace orch::runtime
