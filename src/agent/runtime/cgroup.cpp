#include "agent/runtime/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "base/fd.h"
#include "base/files.h"
#include "base/strings.h"

namespace orch::runtime {

namespace {

// A process may fork while we kill its siblings; every round finds fewer.
constexpr int kMaxKillRounds = 64;
constexpr int kKillWaitMs = 10'000;
// The kernel takes an exiting task out of its cgroup a moment after its exit is reported.
constexpr int kMaxRemoveTries = 200;

constexpr const char* kV1Controllers[] = {"cpu",     "cpuacct", "cpuset",   "memory",
                                          "devices", "freezer", "blkio",    "pids",
                                          "hugetlb", "net_cls", "net_prio", "perf_event"};

Result<void> write_value(const std::string& file, std::string_view value) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return system_error("open " + file, errno);
  if (::write(fd.get(), value.data(), value.size()) < 0)
    return system_error("write " + std::string(value) + " to " + file, errno);
  return {};
}

Result<void> write_value(const std::string& file, int64_t value) {
  return write_value(file, std::to_string(value));
}

// The number in a one-number file; nothing when missing or "max".
std::optional<uint64_t> number_in(const std::string& file) {
  const Result<std::string> text = read_file(file, 4096);
  if (!text) return std::nullopt;
  const std::optional<int64_t> number = parse_int(trim(*text));
  if (!number || *number < 0) return std::nullopt;
  return static_cast<uint64_t>(*number);
}

// "key value" lines.
uint64_t keyed_number(std::string_view text, std::string_view key) {
  for (const std::string_view line : split(text, '\n')) {
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == ' ')
      return static_cast<uint64_t>(parse_int(trim(line.substr(key.size() + 1))).value_or(0));
  }
  return 0;
}

std::vector<std::string> child_folders(const std::string& folder) {
  std::vector<std::string> children;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return children;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
      children.push_back(folder + "/" + entry->d_name);
  }
  ::closedir(dir);
  return children;
}

void collect_processes(const std::string& folder, std::set<pid_t>* pids) {
  const Result<std::string> text = read_file(folder + "/cgroup.procs");
  if (!text) return;
  for (const std::string_view line : split(*text, '\n')) {
    const std::optional<int64_t> pid = parse_int(line);
    if (pid && *pid > 0) pids->insert(static_cast<pid_t>(*pid));
  }
  for (const std::string& child : child_folders(folder)) collect_processes(child, pids);
}

// An empty cpuset takes no process; the child starts with what its parent has.
Result<void> inherit_cpuset(const std::string& parent, const std::string& folder) {
  for (const char* name : {"/cpuset.cpus", "/cpuset.mems"}) {
    const std::string own = ORCH_TRY(read_file(folder + name, 4096));
    if (!trim(own).empty()) continue;
    const std::string above = ORCH_TRY(read_file(parent + name, 4096));
    ORCH_TRY(write_value(folder + name, trim(above)));
  }
  return {};
}

// Controllers that a kernel or a parent lacks are left out: a limit that needs one says so itself.
void hand_down_controllers(const std::string& folder) {
  for (const char* controller : {"+cpu", "+memory", "+pids", "+cpuset", "+io", "+hugetlb"})
    (void)write_value(folder + "/cgroup.subtree_control", controller);
}

Result<void> remove_folder(const std::string& folder) {
  for (const std::string& child : child_folders(folder)) ORCH_TRY(remove_folder(child));
  for (int tries = 0; ::rmdir(folder.c_str()) != 0; ++tries) {
    if (errno == ENOENT) return {};
    if (errno != EBUSY || tries == kMaxRemoveTries) return system_error("rmdir " + folder, errno);
    ::poll(nullptr, 0, 1);
  }
  return {};
}

// Waits for the ends of `pids` after killing them; pidfds make both free of races.
Result<void> kill_and_wait(const std::set<pid_t>& pids) {
  std::vector<UniqueFd> alive;
  for (const pid_t pid : pids) {
    UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!fd) continue;
    ::syscall(SYS_pidfd_send_signal, fd.get(), SIGKILL, nullptr, 0);
    alive.push_back(std::move(fd));
  }
  for (const UniqueFd& fd : alive) {
    pollfd waiting{fd.get(), POLLIN, 0};
    if (::poll(&waiting, 1, kKillWaitMs) == 0)
      return service_unavailable("a killed process does not end (uninterruptible sleep?)");
  }
  return {};
}

}  // namespace

CgroupMounts plan_cgroup_mounts(std::string_view mounts) {
  CgroupMounts found;
  for (const std::string_view line : split(mounts, '\n')) {
    const std::vector<std::string_view> fields = split(line, ' ');
    if (fields.size() < 4) continue;
    CgroupMounts::Hierarchy hierarchy{std::string(fields[1]), {}};
    if (fields[2] == "cgroup") {
      for (const std::string_view option : split(fields[3], ','))
        if (std::find(std::begin(kV1Controllers), std::end(kV1Controllers), option) !=
            std::end(kV1Controllers))
          hierarchy.controllers.emplace_back(option);
    } else if (fields[2] != "cgroup2") {
      continue;
    }
    const bool known =
        std::any_of(found.hierarchies.begin(), found.hierarchies.end(), [&](const auto& other) {
          return other.path == hierarchy.path ||
                 (!hierarchy.controllers.empty() && other.controllers == hierarchy.controllers);
        });
    if (fields[2] == "cgroup2" && fields[1] == "/sys/fs/cgroup") found.unified = true;
    if (!known) found.hierarchies.push_back(std::move(hierarchy));
  }
  if (found.unified)
    std::erase_if(found.hierarchies, [](const auto& h) { return h.path != "/sys/fs/cgroup"; });
  return found;
}

int64_t cpu_weight(int64_t shares) {
  const int64_t bounded = std::clamp<int64_t>(shares, 2, 262'144);
  return 1 + (bounded - 2) * 9'999 / 262'142;
}

Result<Cgroups> Cgroups::detect() {
  CgroupMounts mounts = plan_cgroup_mounts(ORCH_TRY(read_file("/proc/self/mounts")));
  if (mounts.hierarchies.empty())
    return service_unavailable("no cgroup file system is mounted below /sys/fs/cgroup");
  return Cgroups(std::move(mounts));
}

std::string Cgroups::folder(std::string_view controller, const std::string& path) const {
  if (mounts_.unified) return mounts_.hierarchies.front().path + "/" + path;
  for (const auto& hierarchy : mounts_.hierarchies)
    for (const std::string& name : hierarchy.controllers)
      if (name == controller) return hierarchy.path + "/" + path;
  return "";
}

Result<void> Cgroups::create(const std::string& path) const {
  for (const auto& hierarchy : mounts_.hierarchies) {
    const bool cpuset =
        std::count(hierarchy.controllers.begin(), hierarchy.controllers.end(), "cpuset") != 0;
    std::string folder = hierarchy.path;
    for (const std::string_view part : split(path, '/')) {
      if (part.empty()) continue;
      if (mounts_.unified) hand_down_controllers(folder);
      const std::string parent = folder;
      folder += "/" + std::string(part);
      if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
        return system_error("mkdir " + folder, errno);
      if (cpuset) ORCH_TRY(inherit_cpuset(parent, folder));
    }
  }
  return {};
}

Result<void> Cgroups::set_limits(const std::string& path, const CgroupLimits& limits) const {
  const bool v2 = mounts_.unified;
  const std::string memory = folder("memory", path);
  const std::string cpu = folder("cpu", path);
  if (limits.memory_bytes)
    ORCH_TRY(write_value(memory + (v2 ? "/memory.max" : "/memory.limit_in_bytes"),
                         *limits.memory_bytes));
  if (limits.cpu_shares) {
    ORCH_TRY(v2 ? write_value(cpu + "/cpu.weight", cpu_weight(*limits.cpu_shares))
                : write_value(cpu + "/cpu.shares", *limits.cpu_shares));
  }
  const int64_t period = limits.cpu_period_us.value_or(100'000);
  if (limits.cpu_quota_us && v2) {
    const std::string quota =
        *limits.cpu_quota_us > 0 ? std::to_string(*limits.cpu_quota_us) : "max";
    ORCH_TRY(write_value(cpu + "/cpu.max", quota + " " + std::to_string(period)));
  } else if (limits.cpu_quota_us) {
    ORCH_TRY(write_value(cpu + "/cpu.cfs_period_us", period));
    ORCH_TRY(write_value(cpu + "/cpu.cfs_quota_us", *limits.cpu_quota_us));
  }
  if (limits.pids) ORCH_TRY(write_value(folder("pids", path) + "/pids.max", *limits.pids));
  return {};
}

std::vector<std::string> Cgroups::procs_files(const std::string& path) const {
  std::vector<std::string> files;
  for (const auto& hierarchy : mounts_.hierarchies)
    files.push_back(hierarchy.path + "/" + path + "/cgroup.procs");
  return files;
}

Result<void> Cgroups::join(const std::string& path) const {
  for (const std::string& file : procs_files(path)) ORCH_TRY(write_value(file, "0"));
  return {};
}

std::vector<pid_t> Cgroups::processes(const std::string& path) const {
  std::set<pid_t> pids;
  for (const auto& hierarchy : mounts_.hierarchies)
    collect_processes(hierarchy.path + "/" + path, &pids);
  return {pids.begin(), pids.end()};
}

Result<void> Cgroups::kill(const std::string& path) const {
  for (int round = 0; round < kMaxKillRounds; ++round) {
    // One write ends a whole tree on v2 (Linux 5.14); the rounds below find nothing new then.
    if (mounts_.unified) (void)write_value(folder("", path) + "/cgroup.kill", "1");
    const std::vector<pid_t> pids = processes(path);
    if (pids.empty()) return {};
    ORCH_TRY(kill_and_wait({pids.begin(), pids.end()}));
  }
  return service_unavailable("cgroup " + path + ": processes appear faster than they are killed");
}

Result<void> Cgroups::remove(const std::string& path) const {
  ORCH_CHECK(!path.empty());
  for (const auto& hierarchy : mounts_.hierarchies)
    ORCH_TRY(remove_folder(hierarchy.path + "/" + path));
  return {};
}

uint64_t Cgroups::oom_kills(const std::string& path) const {
  const char* name = mounts_.unified ? "/memory.events" : "/memory.oom_control";
  const Result<std::string> text = read_file(folder("memory", path) + name, 65'536);
  return text ? keyed_number(*text, "oom_kill") : 0;
}

void Cgroups::read_cpu(const std::string& path, CgroupStats* stats) const {
  const std::string cpu = read_file(folder("cpu", path) + "/cpu.stat", 65'536).value_or("");
  stats->cpu_periods = keyed_number(cpu, "nr_periods");
  stats->cpu_throttled_periods = keyed_number(cpu, "nr_throttled");
  if (mounts_.unified) {
    stats->cpu_usage_ns = keyed_number(cpu, "usage_usec") * 1'000;
    stats->cpu_user_ns = keyed_number(cpu, "user_usec") * 1'000;
    stats->cpu_system_ns = keyed_number(cpu, "system_usec") * 1'000;
    stats->cpu_throttled_ns = keyed_number(cpu, "throttled_usec") * 1'000;
    return;
  }
  const std::string account = folder("cpuacct", path);
  const std::string ticks = read_file(account + "/cpuacct.stat", 65'536).value_or("");
  const uint64_t ns_per_tick = 1'000'000'000 / static_cast<uint64_t>(::sysconf(_SC_CLK_TCK));
  stats->cpu_usage_ns = number_in(account + "/cpuacct.usage").value_or(0);
  stats->cpu_user_ns = keyed_number(ticks, "user") * ns_per_tick;
  stats->cpu_system_ns = keyed_number(ticks, "system") * ns_per_tick;
  stats->cpu_throttled_ns = keyed_number(cpu, "throttled_time");
}

Result<CgroupStats> Cgroups::stats(const std::string& path) const {
  const bool v2 = mounts_.unified;
  const std::string memory = folder("memory", path);
  const Result<std::string> counters = read_file(memory + "/memory.stat", 65'536);
  if (!counters) return not_found("cgroup " + path + " is not there");

  CgroupStats stats;
  read_cpu(path, &stats);
  const std::string total = v2 ? "" : "total_";  // v1 counts those below only under this prefix.
  stats.memory_usage_bytes =
      number_in(memory + (v2 ? "/memory.current" : "/memory.usage_in_bytes")).value_or(0);
  const uint64_t inactive = keyed_number(*counters, total + "inactive_file");
  stats.memory_working_set_bytes =
      stats.memory_usage_bytes > inactive ? stats.memory_usage_bytes - inactive : 0;
  stats.memory_rss_bytes = keyed_number(*counters, v2 ? "anon" : "total_rss");
  stats.memory_cache_bytes = keyed_number(*counters, v2 ? "file" : "total_cache");
  stats.page_faults = keyed_number(*counters, total + "pgfault");
  stats.major_page_faults = keyed_number(*counters, total + "pgmajfault");
  const std::optional<uint64_t> limit =
      number_in(memory + (v2 ? "/memory.max" : "/memory.limit_in_bytes"));
  if (limit && *limit < uint64_t{1} << 62)
    stats.memory_limit_bytes = limit;  // v1's "none" is huge.
  stats.pids = number_in(folder("pids", path) + "/pids.current").value_or(0);
  stats.oom_kills = oom_kills(path);
  return stats;
}

}  // namespace orch::runtime
