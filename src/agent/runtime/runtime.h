// Runtime: pod sandboxes and containers on this machine. The agent's only door to runc.
//
// Why it is so: every pod has one `orch shim` process that outlives the agent, holds the pod's
// namespaces, is the parent of its containers, writes their logs and records their exits
// (docs/adr/0004-container-supervision.md). So the agent is nobody's parent: open() finds what
// runs, list() tells it, and an exit missed while the agent was away is read from a file.
//
// Threads: all methods are thread-safe and block; calls for different pods run in parallel, calls
// for one pod are put in order by its shim. The listener runs on the room's one own thread.
// Errors: 404 NotFound for an unknown sandbox or container; a start that the container's own
// config makes impossible (no such executable, bad cwd) is 400 with reason "StartError" and runc's
// own words; everything else is the world's fault (500/503). Nothing here retries.
// Durability: `state_dir` belongs on a tmpfs (/run/orch): what it says is true for this boot only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/runtime/types.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/result.h"

namespace orch::runtime {

class Faults;

struct Options {
  std::string state_dir = "/run/orch";
  // The command that becomes a shim; "--dir <folder>" is added. The default re-executes ourselves.
  std::vector<std::string> shim_command = {"/proc/self/exe", "shim"};
  std::string runc = "runc";  // A path, or a name to look up in PATH and the usual sbin folders.
  int64_t log_max_bytes = 10 << 20;
  int log_max_files = 5;
  Faults* faults = nullptr;  // Tests only: fails the n-th step (agent/runtime/faults.h).
};

// One process (or an attachment to one) with its streams. Destroying an exec() session kills the
// process if it still runs; destroying an attach() session only detaches. Not thread-safe, except
// that resize() and the descriptors may be used from other threads while the session lives.
class ExecSession {
 public:
  ExecSession() = default;
  ExecSession(ExecSession&&) = default;
  ExecSession& operator=(ExecSession&&) = default;

  UniqueFd in;   // Write end; invalid without stdin. Closing it is the process's end of file, but
                 // not with a tty (there: write ^D), nor in attach() without stdin_once.
  UniqueFd out;  // Read end. With a tty: everything; a pty master gives EIO instead of end of file.
  UniqueFd err;  // Read end; invalid with a tty.
  pid_t pid = 0;

  // Becomes readable when the process has exited (or its shim died).
  int exit_fd() const { return connection_.get(); }
  // The exit code (128+signal); blocks until there is one. 137 when the shim died.
  int wait();
  // False at once when it still runs.
  bool exited();
  Result<void> resize(uint16_t columns, uint16_t rows);  // tty only; else 400.

 private:
  friend class Runtime;
  UniqueFd connection_;
  UniqueFd terminal_;
  int exit_code_ = -1;
};

struct ExecRequest {
  std::vector<std::string> argv;
  bool tty = false;
  bool stdin_open = false;
  bool out = true;
  bool err = true;  // Ignored with a tty.
};

class Runtime {
 public:
  using Listener = std::function<void(const Event&)>;

  // Makes the folders, finds runc ("runc: not found in PATH; apt-get install runc", 503),
  // connects to the shims that run. Starts the event thread.
  static Result<std::unique_ptr<Runtime>> open(Options options, Clock& clock);
  ~Runtime();  // Leaves every pod running.

  // Called on the event thread; must not block for long and may call Runtime. Set it before the
  // first create; events before that are not kept (list() has them).
  void set_listener(Listener listener);

  // Pod cgroup, shim, namespaces, /dev/shm, sysctls. All or nothing. 409 AlreadyExists when there.
  Result<void> create_sandbox(const SandboxConfig& config);
  // Kills what is left, unpins, unmounts, removes cgroups and files. Missing is success; may be
  // repeated after any failure. Does not touch log_dir nor container root file systems.
  Result<void> remove_sandbox(const std::string& id);

  // Creates and starts. All or nothing: on failure nothing is left, its exit is not reported.
  Result<void> start_container(const ContainerConfig& config);
  // Sends `signal` to the container's first process; at its exit whatever else is in its cgroup is
  // killed. Success when it has exited already. Returns before the exit: see the listener.
  Result<void> kill(const std::string& container_id, int signal);
  // Kills it if it still runs, waits for its exit, runc delete, removes its files (not the log).
  // Missing is success.
  Result<void> remove_container(const std::string& container_id);

  // What there is, from the files; containers of a dead shim are exited with exit.unknown.
  std::vector<SandboxState> list();
  Result<SandboxState> sandbox(const std::string& id);
  Result<ContainerState> container(const std::string& id);
  // For the network room, before the sandbox's first container. "" with host_network.
  Result<std::string> netns_path(const std::string& sandbox_id);

  // Runs argv in the container as its user with its environment; waits. timeout_ms <= 0: none.
  // `output_limit_bytes` per stream. An executable that is not there: 400 "StartError". Once
  // `cancel_fd` is readable: 503, and the program is killed.
  Result<ExecResult> exec_sync(const std::string& container_id,
                               const std::vector<std::string>& argv, int64_t timeout_ms,
                               size_t output_limit_bytes = 16u << 20, int cancel_fd = -1);
  Result<ExecSession> exec(const std::string& container_id, const ExecRequest& request);
  // Copies of the output from now on (a reader too slow for its pipe loses bytes; the log doesn't)
  // and, with stdin_open, its stdin.
  Result<ExecSession> attach(const std::string& container_id);

  // The log file was moved away by somebody else: open log_path anew.
  Result<void> reopen_log(const std::string& container_id);

  Result<CgroupStats> stats(const std::string& container_id);
  // Of any cgroup below the root, e.g. a pod's cgroup_parent or "kubepods".
  Result<CgroupStats> cgroup_stats(const std::string& cgroup);
  // Makes the cgroup if missing and sets its limits ("kubepods", "kubepods/burstable").
  Result<void> set_cgroup_limits(const std::string& cgroup, const CgroupLimits& limits);

  Result<RuntimeVersion> version();

 private:
  struct State;
  explicit Runtime(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// The default 14 capabilities plus `add` less `drop` (names with or without "CAP_", "ALL" known),
// in the kernel's order; all of them when privileged. Pure. Unknown names: 400.
Result<std::vector<std::string>> resolve_capabilities(const std::vector<std::string>& add,
                                                      const std::vector<std::string>& drop,
                                                      bool privileged);

}  // namespace orch::runtime
