// Starts one more process in a running container, without runc: the shim forks (it is small), the
// child enters the container's cgroups and namespaces by pidfd, and its child becomes the program.
// About 1 ms where `runc exec` takes 15. The program is our own child, so its exit is ours to reap.
//
// Called by the shim's only thread; not by a process with threads or much memory.
// Follows: setns(2) with a pidfd (Linux 5.8), capabilities(7), seccomp(2).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "agent/runtime/cgroup.h"
#include "agent/runtime/types.h"
#include "base/fd.h"
#include "base/result.h"

namespace orch::runtime {

struct EnterRequest {
  pid_t target = 0;  // The container's first process, our child or at least not reaped yet.
  std::vector<std::string> cgroup_files;  // cgroup.procs files to join.
  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::string cwd = "/";
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
  uint64_t capabilities = 0;
  bool no_new_privileges = false;
  bool seccomp = false;
  int oom_score_adj = 0;
  std::vector<Rlimit> rlimits;
  bool tty = false;
  int in = -1;  // -1 = /dev/null; unused with a tty.
  int out = -1;
  int err = -1;
};

struct Entered {
  pid_t pid = 0;      // Our child; leader of its own session.
  UniqueFd terminal;  // With tty: the pty's master, from the container's own /dev/pts.
};

// 400 "StartError" when the program can't be executed there.
Result<Entered> enter_container(const EnterRequest& request);

// The pid namespace of `pid`, a process of the cgroup; none when it is that no more: it has ended,
// and the number may be another's.
UniqueFd open_pid_namespace(pid_t pid, const Cgroups& cgroups, const std::string& cgroup);

// "RLIMIT_NOFILE" → RLIMIT_NOFILE; -1 when unknown.
int rlimit_number(const std::string& type);

}  // namespace orch::runtime
