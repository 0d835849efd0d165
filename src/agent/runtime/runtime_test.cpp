// Real pods on this machine: runc, cgroups, namespaces, as root. The same executable serves as the
// shim, as orch does: main() branches before Catch2.
#include "agent/runtime/runtime.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch_session.hpp>
#include <catch2/catch_test_macros.hpp>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "agent/runtime/cgroup.h"
#include "agent/runtime/container_record.h"
#include "agent/runtime/faults.h"
#include "agent/runtime/paths.h"
#include "agent/runtime/record.h"
#include "agent/runtime/shim.h"
#include "base/files.h"
#include "base/strings.h"

namespace orch::runtime {
namespace {

namespace fs = std::filesystem;

constexpr int kPatienceMs = 20'000;
constexpr const char* kBusybox = "/bin/busybox";

bool runc_is_there() { return fs::exists("/usr/sbin/runc") || fs::exists("/usr/bin/runc"); }

#define ORCH_NEEDS_CONTAINERS()             \
  if (::geteuid() != 0) SKIP("needs root"); \
  if (!runc_is_there()) SKIP("needs runc"); \
  if (!fs::exists(kBusybox)) SKIP("needs busybox-static at /bin/busybox")

// A node with one pod, all below one temporary folder and one cgroup.
struct Node {
  explicit Node(std::vector<std::string> shim_options = {}) {
    char name[] = "/tmp/orch-runtime-XXXXXX";
    folder = ::mkdtemp(name);
    cgroup = "orch-test-" + std::to_string(::getpid()) + "-" + folder.substr(folder.size() - 6);
    rootfs = folder + "/rootfs";
    for (const char* part : {"bin", "proc", "dev", "sys", "tmp", "etc"})
      fs::create_directories(rootfs + "/" + part);
    fs::copy_file(kBusybox, rootfs + "/bin/busybox");
    for (const char* applet : {"sh", "cat", "echo", "sleep", "id", "true", "hostname", "ls", "tail",
                               "head", "stty", "grep", "kill", "readlink", "touch", "mount"})
      fs::create_symlink("busybox", rootfs + "/bin/" + applet);
    options.state_dir = folder + "/state";
    options.shim_command.insert(options.shim_command.end(), shim_options.begin(),
                                shim_options.end());
    open();
  }

  ~Node() {
    (void)runtime->remove_sandbox("pod1");
    runtime.reset();
    if (const Result<Cgroups> cgroups = Cgroups::detect()) (void)cgroups->remove(cgroup);
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }

  // Also the way a restarted agent comes back.
  void open() {
    Result<std::unique_ptr<Runtime>> opened = Runtime::open(options, system_clock());
    REQUIRE(opened.ok());
    runtime = std::move(*opened);
    runtime->set_listener([this](const Event& event) {
      const std::lock_guard lock(mutex);
      events.push_back(event);
      changed.notify_all();
    });
  }

  SandboxConfig pod() const {
    SandboxConfig config;
    config.id = "pod1";
    config.name = "web";
    config.name_space = "default";
    config.hostname = "web-0";
    config.cgroup_parent = cgroup + "/pod1";
    config.log_dir = folder + "/logs";
    return config;
  }

  ContainerConfig container(const std::string& id, const std::string& script) const {
    ContainerConfig config;
    config.sandbox_id = "pod1";
    config.id = id;
    config.name = id;
    config.rootfs = rootfs;
    config.args = {"sh", "-c", script};
    config.env = {"PATH=/bin", "COLOR=green"};
    config.capabilities = *resolve_capabilities({}, {}, false);
    config.log_path = folder + "/logs/" + id + "/0.log";
    return config;
  }

  void create(const SandboxConfig& config) {
    const Result<void> created = runtime->create_sandbox(config);
    INFO((created ? "" : created.status().message));
    REQUIRE(created.ok());
  }

  void start(const ContainerConfig& config) {
    const Result<void> started = runtime->start_container(config);
    INFO((started ? "" : started.status().message));
    REQUIRE(started.ok());
  }

  Exit exit_of(const std::string& id) {
    std::unique_lock lock(mutex);
    const auto found = [&] {
      return std::find_if(events.begin(), events.end(),
                          [&](const Event& e) { return e.container_id == id; });
    };
    const bool seen = changed.wait_for(lock, std::chrono::milliseconds(kPatienceMs),
                                       [&] { return found() != events.end(); });
    REQUIRE(seen);
    return found()->exit;
  }

  bool wait_lost() {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::milliseconds(kPatienceMs), [&] {
      return std::any_of(events.begin(), events.end(),
                         [](const Event& e) { return e.kind == Event::Kind::sandbox_lost; });
    });
  }

  // The log's lines without their time: "stdout F text".
  std::vector<std::string> log(const std::string& id) const {
    std::vector<std::string> lines;
    const Result<std::string> text = read_file(folder + "/logs/" + id + "/0.log");
    if (!text) return lines;
    for (const std::string_view line : split(*text, '\n'))
      if (line.size() > 31) lines.emplace_back(line.substr(31));
    return lines;
  }

  std::vector<pid_t> processes() const { return Cgroups::detect()->processes(cgroup); }

  pid_t shim() const {
    const std::vector<pid_t> pids = Cgroups::detect()->processes(cgroup + "/pod1/shim");
    REQUIRE(pids.size() >= 1);
    return pids.front();
  }

  std::string folder, cgroup, rootfs;
  Options options;
  std::unique_ptr<Runtime> runtime;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Event> events;
};

std::string read_all(int fd) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(fd, buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<size_t>(n));
  return text;
}

// Reads until `wanted` was seen.
std::string read_until(int fd, std::string_view wanted) {
  std::string text;
  char buffer[4096];
  pollfd waiting{fd, POLLIN, 0};
  while (text.find(wanted) == std::string::npos && ::poll(&waiting, 1, kPatienceMs) > 0) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) break;
    text.append(buffer, static_cast<size_t>(n));
  }
  return text;
}

TEST_CASE("a container runs, logs, exits; its exit and log are kept until it is removed") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  CHECK(node.runtime->create_sandbox(node.pod()).status().already_exists());
  node.start(node.container("c1", "echo out; echo err >&2; printf half; exit 7"));
  const Exit exit = node.exit_of("c1");
  CHECK(exit.code == 7);
  CHECK(exit.signal == 0);
  CHECK_FALSE(exit.oom_killed);

  const std::vector<std::string> lines = node.log("c1");
  CHECK(std::count(lines.begin(), lines.end(), "stdout F out") == 1);
  CHECK(std::count(lines.begin(), lines.end(), "stderr F err") == 1);
  CHECK(std::count(lines.begin(), lines.end(), "stdout P half") == 1);

  const ContainerState state = *node.runtime->container("c1");
  CHECK(state.status == ContainerStatus::exited);
  CHECK(state.exit == exit);
  CHECK(state.started_at <= exit.finished_at);
  CHECK(state.created_at <= state.started_at);
  REQUIRE(node.runtime->remove_container("c1").ok());
  CHECK(node.runtime->container("c1").status().not_found());
  CHECK(node.runtime->remove_container("c1").ok());
  CHECK(node.runtime->list().at(0).containers.empty());
  CHECK_FALSE(node.log("c1").empty());
}

TEST_CASE("kill -9 of the agent loses neither log nor exit code") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  REQUIRE(::mkfifo((node.rootfs + "/gate").c_str(), 0666) == 0);
  node.runtime.reset();
  // The agent is a child of ours that ends without any farewell.
  const pid_t agent = ::fork();
  if (agent == 0) {
    node.open();
    const bool made = node.runtime->create_sandbox(node.pod()).ok() &&
                      node.runtime
                          ->start_container(node.container(
                              "c1",
                              "i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done; "
                              "cat /gate; echo last; exit 9"))
                          .ok();
    if (made) ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  int wait_status = 0;
  REQUIRE(::waitpid(agent, &wait_status, 0) == agent);
  REQUIRE(WTERMSIG(wait_status) == SIGKILL);

  node.open();
  CHECK(node.runtime->list().at(0).ready);
  // Opens once the container reads it; so the exit comes after the readoption, to the listener.
  { const UniqueFd gate(::open((node.rootfs + "/gate").c_str(), O_WRONLY | O_CLOEXEC)); }
  CHECK(node.exit_of("c1").code == 9);
  const std::vector<std::string> lines = node.log("c1");
  REQUIRE(lines.size() == 201);
  CHECK(lines[199] == "stdout F line 199");
  CHECK(lines[200] == "stdout F last");

  // An exit that nobody listened to is found in the file.
  node.start(node.container("c2", "cat /gate; exit 3"));
  node.runtime.reset();
  { const UniqueFd gate(::open((node.rootfs + "/gate").c_str(), O_WRONLY | O_CLOEXEC)); }
  node.open();
  const ContainerState state = *node.runtime->container("c2");
  const bool recorded = state.status == ContainerStatus::exited;
  CHECK((recorded ? state.exit : node.exit_of("c2")).code == 3);
}

TEST_CASE("a container whose agent died before it was started is forgotten, not kept for ever") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  const ContainerConfig config = node.container("c1", "sleep 100");
  const PodPaths paths(node.options.state_dir + "/pods/pod1");
  REQUIRE(make_dirs(paths.bundle("c1"), 0700));
  REQUIRE(write_record(paths.container("c1"), render_container(config, system_clock().now())));

  node.open();
  CHECK(node.runtime->container("c1").status().not_found());
  CHECK(node.runtime->sandbox("pod1")->containers.empty());
  CHECK(node.runtime->start_container(config));
  node.open();  // What runs is kept.
  CHECK(node.runtime->container("c1")->status == ContainerStatus::running);
}

TEST_CASE(
    "a shim that is killed leaves containers whose end is unknown, and nothing to clean by hand") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  node.start(node.container("c1", "sleep 1000"));
  ::kill(node.shim(), SIGKILL);
  REQUIRE(node.wait_lost());
  const SandboxState sandbox = *node.runtime->sandbox("pod1");
  CHECK_FALSE(sandbox.ready);
  REQUIRE(sandbox.containers.size() == 1);
  CHECK(sandbox.containers[0].exit.unknown);
  CHECK(node.runtime->exec_sync("c1", {"true"}, 1000).status().code == 503);
  CHECK_FALSE(node.processes().empty());  // It still runs, though nobody is told of its end.
  REQUIRE(node.runtime->remove_container("c1").ok());
  CHECK(node.processes().empty());
  REQUIRE(node.runtime->remove_sandbox("pod1").ok());
  CHECK(node.runtime->list().empty());
}

TEST_CASE("exec: exit codes, output, stdin, user, environment, limits, timeout") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  ContainerConfig config = node.container("c1", "sleep 1000");
  config.uid = 1000;
  config.gid = 2000;
  config.groups = {3000};
  config.no_new_privileges = true;
  config.cwd = "/tmp";
  config.seccomp = Seccomp::runtime_default;
  node.start(config);
  Runtime& runtime = *node.runtime;

  const Result<ExecResult> plain = runtime.exec_sync(
      "c1", {"sh", "-c", "id -u; id -G; pwd; echo $COLOR; hostname; echo oops >&2; exit 5"}, 5000);
  INFO((plain ? "" : plain.status().message));
  REQUIRE(plain.ok());
  CHECK(plain->exit_code == 5);
  CHECK(plain->out == "1000\n2000 3000\n/tmp\ngreen\nweb-0\n");
  CHECK(plain->err == "oops\n");
  const auto status = [&](const char* field) {
    return runtime.exec_sync("c1", {"grep", field, "/proc/self/status"}, 5000)->out;
  };
  CHECK(status("NoNewPrivs") == "NoNewPrivs:\t1\n");
  CHECK(status("CapEff") == "CapEff:\t0000000000000000\n");
  CHECK(status("CapBnd") == "CapBnd:\t00000000a80425fb\n");
  CHECK(status("Seccomp:") == "Seccomp:\t2\n");
  const std::string cgroup = runtime.exec_sync("c1", {"cat", "/proc/self/cgroup"}, 5000)->out;
  const bool own_view = cgroup.find(":/\n") != std::string::npos;  // v2: a cgroup namespace.
  CHECK((own_view || cgroup.find("/" + node.cgroup + "/pod1/c1\n") != std::string::npos));

  const Status missing = runtime.exec_sync("c1", {"no-such-program"}, 5000).status();
  CHECK(missing.is("StartError"));
  CHECK(missing.message == "exec: \"no-such-program\": executable file not found in $PATH");

  const ExecResult slow = *runtime.exec_sync("c1", {"sh", "-c", "echo begun; sleep 1000"}, 300);
  CHECK(slow.timed_out);
  CHECK(slow.exit_code == 137);
  CHECK(slow.out == "begun\n");
  const ExecResult cut = *runtime.exec_sync("c1", {"head", "-c", "100000", "/dev/zero"}, 5000, 10);
  CHECK(cut.out.size() == 10);
  CHECK(cut.truncated);

  ExecRequest request;
  request.argv = {"cat"};
  request.stdin_open = true;
  Result<ExecSession> session = runtime.exec("c1", request);
  REQUIRE(session.ok());
  CHECK_FALSE(session->exited());
  REQUIRE(write_all(session->in.get(), "ping").ok());
  session->in.reset();
  CHECK(read_all(session->out.get()) == "ping");
  CHECK(session->wait() == 0);
  CHECK(session->resize(80, 24).status().code == 400);
}

TEST_CASE("terminals: of a container and of an exec, with their size") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  ContainerConfig config = node.container("c1", "read line; echo got $line; exit 4");
  config.tty = true;
  config.stdin_open = true;
  node.start(config);

  ExecRequest request;
  request.argv = {"sh", "-c", "read size; stty size; exit 6"};
  request.tty = true;
  request.stdin_open = true;
  Result<ExecSession> session = node.runtime->exec("c1", request);
  INFO((session ? "" : session.status().message));
  REQUIRE(session.ok());
  REQUIRE(session->resize(132, 43).ok());
  REQUIRE(write_all(session->in.get(), "go\n").ok());
  CHECK(read_until(session->out.get(), "43 132").find("43 132") != std::string::npos);
  CHECK(session->wait() == 6);

  Result<ExecSession> attached = node.runtime->attach("c1");
  REQUIRE(attached.ok());
  REQUIRE(attached->resize(80, 24).ok());
  REQUIRE(write_all(attached->in.get(), "hello\n").ok());
  CHECK(read_until(attached->out.get(), "got hello").find("got hello") != std::string::npos);
  CHECK(attached->wait() == 4);
  CHECK(node.exit_of("c1").code == 4);
  CHECK(node.log("c1").back() == "stdout F got hello\r");
}

TEST_CASE("attach: stdin reaches the container, its streams stay apart") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  ContainerConfig config = node.container("c1", "cat; echo done >&2; exit 2");
  config.stdin_open = true;
  config.stdin_once = true;
  node.start(config);
  Result<ExecSession> attached = node.runtime->attach("c1");
  REQUIRE(attached.ok());
  REQUIRE(write_all(attached->in.get(), "to cat\n").ok());
  attached->in.reset();  // stdin_once: the container's end of file.
  CHECK(attached->wait() == 2);
  CHECK(read_all(attached->out.get()) == "to cat\n");
  CHECK(read_all(attached->err.get()) == "done\n");
}

TEST_CASE("containers of a pod share net, ipc, uts and /dev/shm, not pid") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  node.start(node.container("a", "sleep 1000"));
  node.start(node.container("b", "sleep 1000"));
  const auto space = [&](const char* id, const std::string& name) {
    return node.runtime->exec_sync(id, {"readlink", "/proc/1/ns/" + name}, 5000)->out;
  };
  for (const char* shared : {"net", "ipc", "uts"}) {
    CHECK_FALSE(space("a", shared).empty());
    CHECK(space("a", shared) == space("b", shared));
    char own[64] = {};
    REQUIRE(::readlink((std::string("/proc/self/ns/") + shared).c_str(), own, sizeof own) > 0);
    CHECK(space("a", shared) != std::string(own) + "\n");
  }
  CHECK(space("a", "pid") != space("b", "pid"));
  CHECK(node.runtime->exec_sync("a", {"touch", "/dev/shm/note"}, 5000)->exit_code == 0);
  CHECK(node.runtime->exec_sync("b", {"cat", "/dev/shm/note"}, 5000)->exit_code == 0);
  CHECK(fs::exists(*node.runtime->netns_path("pod1")));
}

TEST_CASE("shareProcessNamespace: containers see each other; the end of one is not the other's") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  SandboxConfig pod = node.pod();
  pod.share_process_namespace = true;
  node.create(pod);
  node.start(node.container("a", "sleep 1111 & sleep 2222"));
  node.start(node.container("b", "sleep 3333"));
  const auto all = [&] {
    return node.runtime->exec_sync("b", {"sh", "-c", "cat /proc/[0-9]*/cmdline"}, 5000)->out;
  };
  CHECK(all().find("2222") != std::string::npos);
  REQUIRE(node.runtime->kill("a", SIGKILL).ok());
  const Exit exit = node.exit_of("a");
  CHECK(exit.code == 137);
  CHECK(exit.signal == SIGKILL);
  CHECK(all().find("1111") == std::string::npos);  // The rest of "a" went with it.
  CHECK(all().find("3333") != std::string::npos);
}

TEST_CASE("who wants its target's processes does not get those of whom its pid went to") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  node.start(node.container("target", "sleep 1111"));
  ContainerConfig near = node.container("near", "cat /proc/[0-9]*/cmdline; sleep 1000");
  near.process_target = "target";
  node.start(near);
  const auto seen =
      node.runtime->exec_sync("near", {"sh", "-c", "cat /proc/[0-9]*/cmdline"}, 5000)->out;
  CHECK(seen.find("1111") != std::string::npos);

  // As if it had just ended, and its pid were this process's now.
  const PodPaths paths(node.options.state_dir + "/pods/pod1");
  REQUIRE(write_started(paths, "target", ::getpid(), system_clock().now()));
  ContainerConfig stray = node.container("stray", "sleep 1000");
  stray.process_target = "target";
  const Result<void> refused = node.runtime->start_container(stray);
  CHECK(refused.status().message == "container target does not run");
}

TEST_CASE("limits hold: memory kills and says so, pids refuse, usage is told") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  SandboxConfig pod = node.pod();
  pod.limits.memory_bytes = 256 << 20;
  pod.limits.cpu_shares = 512;
  pod.limits.cpu_quota_us = 50'000;
  node.create(pod);
  ContainerConfig config = node.container("fat", "tail /dev/zero");
  config.resources.memory_bytes = 16 << 20;
  node.start(config);
  const Exit exit = node.exit_of("fat");
  CHECK(exit.oom_killed);
  CHECK(exit.code == 137);

  ContainerConfig busy = node.container("busy",
                                        "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; "
                                        "echo spun; sleep 1000");
  busy.resources.memory_bytes = 64 << 20;
  busy.resources.pids = 20;
  busy.resources.oom_score_adj = -500;  // Clamped where that is not allowed.
  busy.rlimits = {{"RLIMIT_NOFILE", 1u << 20, 1u << 20}};
  node.start(busy);
  Result<ExecSession> attached = node.runtime->attach("busy");
  REQUIRE(attached.ok());
  if (node.log("busy").empty()) read_until(attached->out.get(), "spun");
  const CgroupStats stats = *node.runtime->stats("busy");
  CHECK(stats.cpu_usage_ns > 0);
  CHECK(stats.memory_usage_bytes > 0);
  CHECK(stats.memory_limit_bytes == 64u << 20);
  CHECK(stats.pids >= 1);
  CHECK(node.runtime->cgroup_stats(node.cgroup + "/pod1")->memory_limit_bytes == 256u << 20);
  CHECK(node.runtime->stats("nobody").status().not_found());
}

TEST_CASE("read-only root, mounts, dropped capabilities, privileged") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  fs::create_directories(node.folder + "/volume");
  ContainerConfig config = node.container("c1", "sleep 1000");
  config.read_only_rootfs = true;
  config.capabilities = *resolve_capabilities({"NET_ADMIN"}, {"ALL"}, false);
  config.mounts = {{node.folder + "/volume", "/data"}, {node.folder + "/volume", "/fixed", true}};
  node.start(config);
  const auto run = [&](const char* id, const std::string& script) {
    return node.runtime->exec_sync(id, {"sh", "-c", script}, 5000)->exit_code;
  };
  CHECK(run("c1", "touch /file") != 0);
  CHECK(run("c1", "touch /data/file") == 0);
  CHECK(fs::exists(node.folder + "/volume/file"));
  CHECK(run("c1", "touch /fixed/other") != 0);
  CHECK(node.runtime->exec_sync("c1", {"grep", "CapEff", "/proc/self/status"}, 5000)->out ==
        "CapEff:\t0000000000001000\n");
  CHECK(run("c1", "echo 1 > /proc/sys/kernel/panic") != 0);
  CHECK(node.runtime->exec_sync("c1", {"cat", "/proc/keys"}, 5000)->out.empty());

  ContainerConfig strong = node.container("c2", "sleep 1000");
  strong.privileged = true;
  strong.capabilities = *resolve_capabilities({}, {}, true);
  node.start(strong);
  CHECK(run("c2", "mount -t tmpfs none /tmp") == 0);
  CHECK(run("c2", "ls /dev/vda || ls /dev/loop0 || ls /dev/kmsg") == 0);
}

TEST_CASE("stopping: the signal reaches the container; SIGKILL ends what ignores it") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  node.start(node.container("good", "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"));
  node.start(node.container("bad", "trap '' TERM; echo up; while :; do sleep 0.1; done"));
  for (const char* id : {"good", "bad"}) {
    Result<ExecSession> attached = node.runtime->attach(id);
    REQUIRE(attached.ok());
    if (node.log(id).empty()) read_until(attached->out.get(), "up");
    REQUIRE(node.runtime->kill(id, SIGTERM).ok());
  }
  CHECK(node.exit_of("good").code == 0);
  CHECK(node.runtime->container("bad")->status == ContainerStatus::running);
  REQUIRE(node.runtime->remove_container("bad").ok());  // Kills, waits, removes.
  CHECK(node.runtime->container("bad").status().not_found());
  CHECK(node.runtime->kill("good", SIGTERM).ok());
}

TEST_CASE("the shim is small and its executable is out of the reach of containers") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  node.start(node.container("c1", "sleep 1000"));
  REQUIRE(node.runtime->exec_sync("c1", {"true"}, 5000)->exit_code == 0);
  const std::string proc = "/proc/" + std::to_string(node.shim());
  const UniqueFd executable(::open((proc + "/exe").c_str(), O_PATH | O_CLOEXEC));
  struct statvfs info {};
  REQUIRE(::fstatvfs(executable.get(), &info) == 0);
  CHECK((info.f_flag & ST_RDONLY) != 0);

  const std::string rollup = *read_file(proc + "/smaps_rollup");
  const auto kib = [&](const char* field) {
    return std::strtol(rollup.c_str() + rollup.find(field) + std::strlen(field), nullptr, 10);
  };
  std::printf("shim: Rss %ld KiB, Pss %ld KiB, anonymous %ld KiB\n", kib("Rss:"), kib("Pss:"),
              kib("Anonymous:"));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  CHECK(kib("Anonymous:") < 1024);
#endif
}

TEST_CASE("what cannot start says why and leaves nothing") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  node.create(node.pod());
  ContainerConfig config = node.container("c1", "");
  config.args = {"no-such-program"};
  const Status status = node.runtime->start_container(config).status();
  CHECK(status.is("StartError"));
  CHECK(status.message.find("\"no-such-program\": executable file not found in $PATH") !=
        std::string::npos);
  CHECK(node.runtime->container("c1").status().not_found());
  CHECK(node.runtime->sandbox("pod1")->containers.empty());
  node.start(node.container("c1", "true"));  // The same id is free again.

  Options options = node.options;
  options.runc = "runc-of-nowhere";
  const Status missing = Runtime::open(options, system_clock()).status();
  CHECK(missing.message == "runc-of-nowhere: not found in PATH; apt-get install runc");
}

// What could be left behind of a node: its mounts, cgroups, processes and files.
void check_nothing_left(const Node& node) {
  const std::string mounts = *read_file("/proc/self/mountinfo");
  CHECK(mounts.find(node.folder) == std::string::npos);
  CHECK(node.processes().empty());
  CHECK(fs::is_empty(node.options.state_dir + "/pods"));
  CHECK(fs::is_empty(node.options.state_dir + "/runc"));
  const CgroupMounts cgroups = plan_cgroup_mounts(*read_file("/proc/self/mounts"));
  for (const auto& hierarchy : cgroups.hierarchies)
    CHECK_FALSE(fs::exists(hierarchy.path + "/" + node.cgroup + "/pod1"));
}

TEST_CASE("every step of a creation may fail: nothing is left, and the next try succeeds") {
  ORCH_NEEDS_CONTAINERS();
  constexpr int kMostSteps = 40;
  for (const bool in_shim : {false, true}) {
    int failures = 0;
    for (int step = 1; step <= kMostSteps; ++step) {
      Node node(in_shim ? std::vector<std::string>{"--fail-at", std::to_string(step)}
                        : std::vector<std::string>{});
      Faults faults(in_shim ? 0 : step);
      node.options.faults = &faults;
      node.open();
      SandboxConfig pod = node.pod();
      pod.share_process_namespace = true;
      ContainerConfig config = node.container("c1", "sleep 1000");
      config.tty = true;
      INFO((in_shim ? "shim" : "agent") << " step " << step);
      Result<void> made = node.runtime->create_sandbox(pod);
      const bool sandbox_made = made.ok();
      if (made) made = node.runtime->start_container(config);
      if (made) {  // Past the last step.
        REQUIRE(node.runtime->remove_sandbox("pod1").ok());
        check_nothing_left(node);
        break;
      }
      ++failures;
      CHECK(made.status().message.find("injected fault") != std::string::npos);
      if (sandbox_made) {
        CHECK(node.runtime->sandbox("pod1")->containers.empty());
        CHECK(fs::is_empty(node.options.state_dir + "/runc"));
        CHECK(node.runtime->start_container(config).ok());
        REQUIRE(node.runtime->remove_sandbox("pod1").ok());
      }
      check_nothing_left(node);
      CHECK(node.runtime->remove_sandbox("pod1").ok());
    }
    CHECK(failures >= (in_shim ? 12 : 8));
    CHECK(failures < kMostSteps);
  }
}

TEST_CASE("time from nothing to a running container") {
  ORCH_NEEDS_CONTAINERS();
  Node node;
  std::vector<double> created, started, executed;
  const auto timed = [](auto&& action) {
    const MonoTime begin = system_clock().monotonic();
    action();
    return std::chrono::duration<double, std::milli>(system_clock().monotonic() - begin).count();
  };
  for (int round = 0; round < 15; ++round) {
    created.push_back(timed([&] { node.create(node.pod()); }));
    started.push_back(timed([&] { node.start(node.container("c1", "sleep 1000")); }));
    executed.push_back(
        timed([&] { REQUIRE(node.runtime->exec_sync("c1", {"true"}, 5000)->exit_code == 0); }));
    REQUIRE(node.runtime->remove_sandbox("pod1").ok());
  }
  const auto median = [](std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  };
  std::printf("p50 ms: sandbox %.1f, container %.1f, exec %.1f\n", median(created), median(started),
              median(executed));
  CHECK(median(created) + median(started) < 1000);  // A guard against waits, not a benchmark.
}

}  // namespace
}  // namespace orch::runtime

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "shim") == 0) return orch::runtime::run_shim(argc, argv);
  return Catch::Session().run(argc, argv);
}
