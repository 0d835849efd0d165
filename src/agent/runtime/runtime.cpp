// Sandboxes and containers. Their processes and streams (exec, attach) are in exec_session.cpp.
#include "agent/runtime/runtime.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "agent/runtime/channel.h"
#include "agent/runtime/container_record.h"
#include "agent/runtime/enter.h"
#include "agent/runtime/faults.h"
#include "agent/runtime/pipe.h"
#include "agent/runtime/runtime_state.h"
#include "agent/runtime/sandbox.h"
#include "agent/runtime/spawn.h"
#include "base/files.h"
#include "base/log.h"

namespace orch::runtime {

namespace {

constexpr size_t kMaxIdLength = 128;
constexpr size_t kMaxReadyBytes = 65'536;
constexpr size_t kMaxVersionBytes = 4096;

// Ids become file names and cgroup names.
Result<void> check_id(const std::string& id) {
  bool good = !id.empty() && id.size() <= kMaxIdLength && id[0] != '.' && id != "shim";
  for (const char c : id)
    good = good &&
           (std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_');
  if (!good) return bad_request("\"" + id + "\" is no id of a sandbox or container");
  return {};
}

Result<void> check_cgroup(const std::string& path) {
  if (path.empty() || path[0] == '/' || ("/" + path + "/").find("/../") != std::string::npos)
    return bad_request("\"" + path + "\" is no path below the cgroup root");
  return {};
}

std::vector<std::string> folders_in(const std::string& folder) {
  std::vector<std::string> names;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return names;
  while (const dirent* entry = ::readdir(dir))
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  ::closedir(dir);
  return names;
}

Result<std::string> read_to_end(int fd, size_t limit) {
  std::string text;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("read", errno);
    if (n == 0 || text.size() > limit) return text;
    text.append(buffer, static_cast<size_t>(n));
  }
}

// The executable as seen through a read-only mount that is in no tree. Programs in containers can
// reach a shim's /proc/<pid>/exe while it enters them; through this they cannot write to the file
// behind it (the class of CVE-2019-5736).
Result<UniqueFd> open_read_only(const std::string& executable) {
  UniqueFd mount(::open_tree(AT_FDCWD, executable.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!mount) return system_error("open_tree " + executable, errno);
  mount_attr read_only{};
  read_only.attr_set = MOUNT_ATTR_RDONLY;
  if (::mount_setattr(mount.get(), "", AT_EMPTY_PATH, &read_only, sizeof read_only) != 0)
    return system_error("mount_setattr " + executable, errno);
  return mount;
}

// Starts the shim and waits for its word.
Result<void> start_shim(const Options& options, const PodPaths& paths) {
  Pipe ready = ORCH_TRY(make_pipe());
  const UniqueFd errors(
      ::open(paths.shim_log().c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!errors) return system_error("open " + paths.shim_log(), errno);
  SpawnRequest request;
  request.argv = options.shim_command;
  const UniqueFd executable = ORCH_TRY(open_read_only(options.shim_command.front()));
  request.executable = "/proc/self/fd/" + std::to_string(executable.get());
  request.argv.front() = "orch";
  request.argv.insert(request.argv.end(), {"--dir", paths.folder});
  request.err = errors.get();
  request.third = ready.write.get();
  const pid_t pid = ORCH_TRY(spawn(request));
  ready.write.reset();
  const Result<std::string> word = read_to_end(ready.read.get(), kMaxReadyBytes);
  (void)wait_for(pid);  // The shim's first process, gone at once: the shim is init's child.
  const Record record = ORCH_TRY(Record::parse(ORCH_TRY(word)));
  ORCH_TRY(reply_status(record));
  if (!record.has("ok")) return internal_error("the pod's shim ended before it was ready");
  return {};
}

}  // namespace

PodPaths Runtime::State::pod(const std::string& id) const { return PodPaths(pods + "/" + id); }

Result<UniqueFd> Runtime::State::connect(const std::string& sandbox_id) const {
  if (!file_exists(pod(sandbox_id).sandbox()))
    return not_found("sandbox " + sandbox_id + " is not there");
  return connect_in(pod(sandbox_id).folder, kShimSocket);
}

Result<Message> Runtime::State::call(const UniqueFd& shim, const Record& request,
                                     const std::vector<int>& fds) const {
  ORCH_TRY(send_message(shim.get(), request, fds));
  Message reply = ORCH_TRY(receive_message(shim.get()));
  ORCH_TRY(reply_status(reply.record));
  return reply;
}

Result<void> Runtime::State::ask(const std::string& sandbox_id, const Record& request) const {
  const UniqueFd shim = ORCH_TRY(connect(sandbox_id));
  ORCH_TRY(call(shim, request));
  return {};
}

Result<void> Runtime::State::subscribe(const std::string& sandbox_id) {
  UniqueFd shim = ORCH_TRY(connect(sandbox_id));
  ORCH_TRY(call(shim, Record{{"verb", "subscribe"}}));
  return events->add(sandbox_id, std::move(shim));
}

// A container whose agent died before it asked the shim for a start would stay "created" for ever.
// The shim does one thing after the other: what it had been asked is done once it took us on.
void Runtime::State::remove_half_made(const std::string& sandbox_id) {
  const PodPaths paths = pod(sandbox_id);
  for (const std::string& container : folders_in(paths.containers())) {
    const Result<ContainerState> found = read_container_state(paths, container, true);
    if (found && found->status != ContainerStatus::created) continue;
    const auto removed = ask(sandbox_id, Record{{"verb", "remove"}, {"id", container}});
    if (!removed) log::warning("runtime", container + ": " + removed.status().message);
    const std::lock_guard lock(mutex);
    owners.erase(container);
  }
}

Result<std::string> Runtime::State::sandbox_of(const std::string& container_id) {
  const std::lock_guard lock(mutex);
  const auto found = owners.find(container_id);
  if (found == owners.end()) return not_found("container " + container_id + " is not there");
  return found->second;
}

Runtime::Runtime(std::unique_ptr<State> state) : state_(std::move(state)) {}
Runtime::~Runtime() = default;

Result<std::unique_ptr<Runtime>> Runtime::open(Options options, Clock& clock) {
  Settings settings;
  settings.runc = ORCH_TRY(find_program(options.runc, "runc"));
  settings.runc_root = options.state_dir + "/runc";
  settings.log_max_bytes = options.log_max_bytes;
  settings.log_max_files = options.log_max_files;
  const std::string pods = options.state_dir + "/pods";
  ORCH_TRY(make_dirs(pods, 0700));
  ORCH_TRY(make_dirs(settings.runc_root, 0700));
  Cgroups cgroups = ORCH_TRY(Cgroups::detect());
  auto state =
      std::make_unique<State>(std::move(options), clock, std::move(settings), std::move(cgroups));
  state->events = ORCH_TRY(Events::start());
  for (const std::string& id : folders_in(pods)) {
    for (const std::string& container : folders_in(state->pod(id).containers()))
      state->owners[container] = id;
    if (const Result<void> found = state->subscribe(id); !found)
      log::warning("runtime", "pod " + id + ": " + found.status().message);
    else
      state->remove_half_made(id);
  }
  return std::unique_ptr<Runtime>(new Runtime(std::move(state)));
}

void Runtime::set_listener(Listener listener) { state_->events->set_listener(std::move(listener)); }

Result<void> Runtime::State::make_sandbox(const SandboxConfig& config) {
  Faults* faults = options.faults;
  const PodPaths paths = pod(config.id);
  ORCH_TRY(fault_step(faults, "write sandbox"));
  ORCH_TRY(write_sandbox(paths, config, clock.now()));
  ORCH_TRY(write_settings(paths, settings));
  ORCH_TRY(fault_step(faults, "make containers folder"));
  ORCH_TRY(make_dirs(paths.containers(), 0700));
  if (!config.log_dir.empty()) ORCH_TRY(make_dirs(config.log_dir));
  ORCH_TRY(fault_step(faults, "make cgroup"));
  ORCH_TRY(cgroups.create(shim_cgroup(config.cgroup_parent)));
  ORCH_TRY(fault_step(faults, "set limits"));
  ORCH_TRY(cgroups.set_limits(config.cgroup_parent, config.limits));
  ORCH_TRY(fault_step(faults, "start shim"));
  ORCH_TRY(start_shim(options, paths));
  ORCH_TRY(fault_step(faults, "subscribe"));
  return subscribe(config.id);
}

Result<void> Runtime::create_sandbox(const SandboxConfig& config) {
  ORCH_TRY(check_id(config.id));
  ORCH_TRY(check_cgroup(config.cgroup_parent));
  if (::mkdir(state_->pod(config.id).folder.c_str(), 0700) != 0) {
    if (errno == EEXIST) return already_exists("sandbox " + config.id + " exists");
    return system_error("mkdir " + state_->pod(config.id).folder, errno);
  }
  Result<void> made = state_->make_sandbox(config);
  if (made) return made;
  if (const Result<void> undone = remove_sandbox(config.id); !undone)
    log::error("runtime", "undo sandbox " + config.id + ": " + undone.status().message);
  return std::move(made).status().in("sandbox of pod " + config.name_space + "/" + config.name);
}

Result<void> Runtime::remove_sandbox(const std::string& id) {
  ORCH_TRY(check_id(id));
  state_->events->remove(id);
  ORCH_TRY(demolish_sandbox(state_->pod(id), state_->settings.runc_root, state_->cgroups));
  const std::lock_guard lock(state_->mutex);
  std::erase_if(state_->owners, [&](const auto& owner) { return owner.second == id; });
  return {};
}

Result<void> Runtime::State::make_container(const ContainerConfig& wanted,
                                            const SandboxConfig& sandbox) {
  Faults* faults = options.faults;
  const PodPaths paths = pod(wanted.sandbox_id);
  const ContainerConfig config = clamp_to_host(wanted, host);
  const auto pinned = [&](const char* name) {
    return file_exists(paths.ns(name)) ? paths.ns(name) : std::string();
  };
  SpecContext context;
  context.net_path = pinned("net");
  context.ipc_path = pinned("ipc");
  context.uts_path = pinned("uts");
  context.pid_path = pinned("pid");
  context.host_pid = sandbox.host_pid;
  UniqueFd target_space;  // Held until runc has entered it.
  if (!config.process_target.empty() && context.pid_path.empty() && !context.host_pid) {
    const auto target = read_container_state(paths, config.process_target, true);
    const std::string cgroup = container_cgroup(sandbox.cgroup_parent, config.process_target);
    if (target && target->status == ContainerStatus::running && target->pid != 0)
      target_space = open_pid_namespace(target->pid, cgroups, cgroup);
    if (!target_space) return bad_request("container " + config.process_target + " does not run");
    context.pid_path =
        "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(target_space.get());
  }
  context.shm_path = sandbox.host_ipc ? "/dev/shm" : paths.shm();
  context.cgroup = container_cgroup(sandbox.cgroup_parent, config.id);
  context.cgroup_v2 = cgroups.unified();
  context.host = host;
  if (config.privileged) context.devices = read_host_devices();

  ORCH_TRY(fault_step(faults, "write container"));
  ORCH_TRY(write_record(paths.container(config.id), render_container(config, clock.now())));
  ORCH_TRY(fault_step(faults, "write config"));
  ORCH_TRY(write_file_whole(paths.config(config.id), render_oci_spec(config, context)));
  ORCH_TRY(fault_step(faults, "ask shim"));
  return ask(config.sandbox_id, Record{{"verb", "start"}, {"id", config.id}});
}

Result<void> Runtime::start_container(const ContainerConfig& config) {
  ORCH_TRY(check_id(config.id));
  ORCH_TRY(check_id(config.sandbox_id));
  if (!config.process_target.empty()) ORCH_TRY(check_id(config.process_target));
  if (config.args.empty()) return bad_request("container " + config.name + " has no command");
  const PodPaths paths = state_->pod(config.sandbox_id);
  const SandboxConfig sandbox = ORCH_TRY(read_sandbox(paths));
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->owners.emplace(config.id, config.sandbox_id).second)
      return already_exists("container " + config.id + " exists");
  }
  Result<void> made;
  if (::mkdir(paths.bundle(config.id).c_str(), 0700) != 0)
    made = system_error("mkdir " + paths.bundle(config.id), errno);
  if (made) made = state_->make_container(config, sandbox);
  if (made) return made;
  if (const Result<void> undone = remove_container(config.id); !undone)
    log::error("runtime", "undo container " + config.id + ": " + undone.status().message);
  return made;
}

Result<void> Runtime::kill(const std::string& container_id, int signal) {
  const std::string sandbox_id = ORCH_TRY(state_->sandbox_of(container_id));
  Record request{{"verb", "kill"}, {"id", container_id}};
  request.add_number("signal", signal);
  return state_->ask(sandbox_id, request);
}

Result<void> Runtime::remove_container(const std::string& container_id) {
  const Result<std::string> sandbox_id = state_->sandbox_of(container_id);
  if (!sandbox_id) return {};
  Result<void> removed = state_->ask(*sandbox_id, Record{{"verb", "remove"}, {"id", container_id}});
  if (!removed && removed.status().code == 503) {  // Its shim is dead: do it ourselves.
    const PodPaths paths = state_->pod(*sandbox_id);
    const SandboxConfig sandbox = ORCH_TRY(read_sandbox(paths));
    removed = demolish_container(paths, state_->settings.runc_root, state_->cgroups,
                                 sandbox.cgroup_parent, container_id);
  }
  if (!removed && !removed.status().not_found()) return removed;
  const std::lock_guard lock(state_->mutex);
  state_->owners.erase(container_id);
  return {};
}

Result<SandboxState> Runtime::sandbox(const std::string& id) {
  ORCH_TRY(check_id(id));
  const PodPaths paths = state_->pod(id);
  SandboxState sandbox;
  const SandboxConfig config = ORCH_TRY(read_sandbox(paths, &sandbox.created_at));
  sandbox.id = config.id;
  sandbox.name = config.name;
  sandbox.name_space = config.name_space;
  sandbox.cgroup_parent = config.cgroup_parent;
  sandbox.log_dir = config.log_dir;
  sandbox.ready = state_->events->has(id);
  if (!config.host_network) sandbox.netns_path = paths.ns("net");
  for (const std::string& container : folders_in(paths.containers())) {
    Result<ContainerState> state = read_container_state(paths, container, sandbox.ready);
    if (state) sandbox.containers.push_back(std::move(*state));
  }
  return sandbox;
}

std::vector<SandboxState> Runtime::list() {
  std::vector<SandboxState> sandboxes;
  for (const std::string& id : folders_in(state_->pods)) {
    Result<SandboxState> state = sandbox(id);
    if (!state) {  // Died while it was made: still something to remove.
      state = SandboxState{};
      state->id = id;
    }
    sandboxes.push_back(std::move(*state));
  }
  return sandboxes;
}

Result<ContainerState> Runtime::container(const std::string& id) {
  const std::string sandbox_id = ORCH_TRY(state_->sandbox_of(id));
  return read_container_state(state_->pod(sandbox_id), id, state_->events->has(sandbox_id));
}

Result<std::string> Runtime::netns_path(const std::string& sandbox_id) {
  ORCH_TRY(check_id(sandbox_id));
  const SandboxConfig config = ORCH_TRY(read_sandbox(state_->pod(sandbox_id)));
  return config.host_network ? "" : state_->pod(sandbox_id).ns("net");
}

Result<void> Runtime::reopen_log(const std::string& container_id) {
  return state_->ask(ORCH_TRY(state_->sandbox_of(container_id)),
                     Record{{"verb", "reopen"}, {"id", container_id}});
}

Result<CgroupStats> Runtime::stats(const std::string& container_id) {
  const std::string sandbox_id = ORCH_TRY(state_->sandbox_of(container_id));
  const SandboxConfig sandbox = ORCH_TRY(read_sandbox(state_->pod(sandbox_id)));
  return state_->cgroups.stats(container_cgroup(sandbox.cgroup_parent, container_id));
}

Result<CgroupStats> Runtime::cgroup_stats(const std::string& cgroup) {
  ORCH_TRY(check_cgroup(cgroup));
  return state_->cgroups.stats(cgroup);
}

Result<void> Runtime::set_cgroup_limits(const std::string& cgroup, const CgroupLimits& limits) {
  ORCH_TRY(check_cgroup(cgroup));
  ORCH_TRY(state_->cgroups.create(cgroup));
  return state_->cgroups.set_limits(cgroup, limits);
}

Result<RuntimeVersion> Runtime::version() {
  Pipe output = ORCH_TRY(make_pipe());
  SpawnRequest request;
  request.argv = {state_->settings.runc, "--version"};
  request.out = output.write.get();
  const pid_t pid = ORCH_TRY(spawn(request));
  output.write.reset();
  const std::string text = ORCH_TRY(read_to_end(output.read.get(), kMaxVersionBytes));
  const int exit_code = wait_for(pid);
  constexpr std::string_view kPrefix = "runc version ";
  if (exit_code != 0 || !text.starts_with(kPrefix))
    return service_unavailable(state_->settings.runc + " --version: no version");
  return RuntimeVersion{text.substr(kPrefix.size(), text.find('\n') - kPrefix.size()),
                        state_->settings.runc, state_->cgroups.unified()};
}

}  // namespace orch::runtime
