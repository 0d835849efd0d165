#include "agent/runtime/host.h"

#include <dirent.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>

#include "agent/runtime/capabilities.h"
#include "agent/runtime/enter.h"
#include "base/files.h"
#include "base/strings.h"

namespace orch::runtime {

namespace {

constexpr int kMaxDeviceDepth = 8;

void collect_devices(const std::string& folder, int depth, std::vector<DeviceNode>* devices) {
  DIR* dir = depth < kMaxDeviceDepth ? ::opendir(folder.c_str()) : nullptr;
  if (dir == nullptr) return;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string name = entry->d_name;
    const std::string path = folder + "/" + name;
    struct stat info {};
    if (name == "." || name == ".." || ::lstat(path.c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      if (name != "pts" && name != "shm" && name != "mqueue" && name != "fd")
        collect_devices(path, depth + 1, devices);
    } else if (S_ISCHR(info.st_mode) || S_ISBLK(info.st_mode)) {
      if (path == "/dev/console" || path == "/dev/ptmx") continue;  // The container has its own.
      devices->push_back({path, S_ISCHR(info.st_mode) ? 'c' : 'b', gnu_dev_major(info.st_rdev),
                          gnu_dev_minor(info.st_rdev), info.st_mode & 07777, info.st_uid,
                          info.st_gid});
    }
  }
  ::closedir(dir);
}

}  // namespace

HostLimits read_host_limits() {
  HostLimits limits;
  limits.capabilities = bounding_capabilities();
  limits.may_raise = (limits.capabilities >> capability_number("CAP_SYS_RESOURCE") & 1) != 0;
  // Without that capability a score may be raised, and lowered again only to where it was.
  const Result<std::string> score = read_file("/proc/self/oom_score_adj", 64);
  if (score) limits.min_oom_score_adj = static_cast<int>(parse_int(trim(*score)).value_or(0));
  for (const char* type :
       {"AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE",
        "NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK"}) {
    const std::string name = std::string("RLIMIT_") + type;
    rlimit value{};
    if (::getrlimit(static_cast<__rlimit_resource_t>(rlimit_number(name)), &value) == 0)
      limits.hard_rlimits[name] = value.rlim_max;
  }
  return limits;
}

std::vector<DeviceNode> read_host_devices() {
  std::vector<DeviceNode> devices;
  collect_devices("/dev", 0, &devices);
  return devices;
}

Result<std::string> find_program(const std::string& name, std::string_view package) {
  if (name.find('/') != std::string::npos) {
    if (::access(name.c_str(), X_OK) == 0) return name;
    return service_unavailable(name + ": not an executable file");
  }
  const char* path = std::getenv("PATH");
  const std::string folders =
      std::string(path == nullptr ? "" : path) + ":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin";
  for (const std::string_view folder : split(folders, ':')) {
    const std::string file = std::string(folder) + "/" + name;
    if (!folder.empty() && ::access(file.c_str(), X_OK) == 0) return file;
  }
  return service_unavailable(name + ": not found in PATH; apt-get install " + std::string(package));
}

ContainerConfig clamp_to_host(ContainerConfig config, const HostLimits& host) {
  config.capabilities = capability_names(capability_mask(config.capabilities) & host.capabilities);
  config.resources.oom_score_adj = clamp_oom_score_adj(config.resources.oom_score_adj, host);
  config.rlimits = clamp_rlimits(config.rlimits, host);
  return config;
}

}  // namespace orch::runtime
