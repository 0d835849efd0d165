#include "agent/runtime/enter.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/runtime/channel.h"
#include "agent/runtime/seccomp.h"
#include "agent/runtime/spawn.h"

namespace orch::runtime {

namespace {

// What each of the two children reports, to be put together by the shim.
constexpr const char* kPid = "pid";
constexpr int kCannotStart = 126;

[[noreturn]] void give_up(int report, const Status& status) {
  (void)send_message(report, failure_record(status));
  ::_exit(kCannotStart);
}

[[noreturn]] void give_up(int report, const std::string& step) {
  give_up(report, system_error(step, errno));
}

void write_or_give_up(int report, const std::string& file, const std::string& value) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), value.data(), value.size()) < 0) give_up(report, "write " + file);
}

void drop_privileges(const EnterRequest& request, int report) {
  for (const Rlimit& limit : request.rlimits) {
    const rlimit value{limit.soft, limit.hard};
    const int number = rlimit_number(limit.type);
    if (number >= 0 && ::setrlimit(static_cast<__rlimit_resource_t>(number), &value) != 0)
      give_up(report, "setrlimit " + limit.type);
  }
  for (int n = 0; ::prctl(PR_CAPBSET_READ, n, 0, 0, 0) >= 0; ++n) {
    if ((request.capabilities >> n & 1) == 0 && ::prctl(PR_CAPBSET_DROP, n, 0, 0, 0) != 0)
      give_up(report, "drop a capability");
  }
  if (::setgroups(request.groups.size(), request.groups.data()) != 0) give_up(report, "setgroups");
  if (::setresgid(request.gid, request.gid, request.gid) != 0) give_up(report, "setgid");
  // Past this a user other than root has no capabilities at all, as after runc.
  if (::setresuid(request.uid, request.uid, request.uid) != 0) give_up(report, "setuid");
  if (request.uid == 0) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    for (int i = 0; i < 2; ++i)
      data[i].effective = data[i].permitted =
          static_cast<uint32_t>(request.capabilities >> (32 * i));
    if (::syscall(SYS_capset, &header, data) != 0) give_up(report, "capset");
  }
  if (request.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    give_up(report, "no_new_privs");
}

void load_seccomp(int report) {
  std::vector<sock_filter> filter = plan_seccomp_filter();
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
    give_up(report, "load seccomp filter");
}

void take_streams(const EnterRequest& request, int terminal, int report) {
  int null = -1;
  const int wanted[] = {request.in, request.out, request.err};
  for (int target = 0; target < 3; ++target) {
    int source = terminal >= 0 ? terminal : wanted[target];
    if (source < 0) {
      if (null < 0) null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
      source = null;
    } else {
      (void)::fchown(source, request.uid, request.gid);  // So that it can reopen /dev/stdout.
    }
    if (::dup2(source, target) < 0) give_up(report, "take descriptor");
  }
  if (terminal >= 0 && ::ioctl(0, TIOCSCTTY, 0) != 0) give_up(report, "take the terminal");
}

// The grandchild: in every namespace of the container; turns into the program.
[[noreturn]] void become_program(const EnterRequest& request, int terminal, int report) {
  ::setsid();
  take_streams(request, terminal, report);
  // A filter without no_new_privs needs CAP_SYS_ADMIN, so it comes before that is dropped.
  if (request.seccomp && !request.no_new_privileges) load_seccomp(report);
  drop_privileges(request, report);
  if (request.seccomp && request.no_new_privileges) load_seccomp(report);
  if (::chdir(request.cwd.empty() ? "/" : request.cwd.c_str()) != 0)
    give_up(report, "chdir to " + request.cwd);

  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  std::vector<char*> argv, env;
  for (const std::string& arg : request.argv) argv.push_back(const_cast<char*>(arg.c_str()));
  for (const std::string& pair : request.env) env.push_back(const_cast<char*>(pair.c_str()));
  argv.push_back(nullptr);
  env.push_back(nullptr);
  environ = env.data();  // execvp looks argv[0] up in the PATH of the new environment.
  ::execvp(argv[0], argv.data());
  Status status =
      bad_request("exec: \"" + request.argv[0] + "\": " +
                  (errno == ENOENT ? "executable file not found in $PATH" : std::strerror(errno)));
  status.reason = "StartError";
  give_up(report, status);
}

// The pty is made in the container's devpts; its master goes to the shim with the pid.
void open_terminal(int report, UniqueFd* master, UniqueFd* terminal) {
  master->reset(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
  int unlocked = 0;
  if (!*master || ::ioctl(master->get(), TIOCSPTLCK, &unlocked) != 0)
    give_up(report, "open a terminal");
  terminal->reset(::ioctl(master->get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!*terminal) give_up(report, "open the other side of a terminal");
}

// The child: enters one after the other; a pid namespace counts only for children, hence two.
[[noreturn]] void enter_and_start(const EnterRequest& request, int pidfd, int report) {
  write_or_give_up(report, "/proc/self/oom_score_adj", std::to_string(request.oom_score_adj));
  for (const std::string& file : request.cgroup_files) write_or_give_up(report, file, "0");
  // From here to exec, programs of the container see us: our memory is not theirs to read.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) give_up(report, "set undumpable");
  constexpr int kSpaces =
      CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  if (::setns(pidfd, kSpaces) != 0) give_up(report, "enter the container");

  UniqueFd master, terminal;
  if (request.tty) open_terminal(report, &master, &terminal);
  // CLONE_PARENT: the program is the shim's child, not ours, whatever becomes of us.
  clone_args args{};
  args.flags = CLONE_PARENT;
  const long pid = ::syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) give_up(report, "clone");
  if (pid == 0) become_program(request, terminal.get(), report);
  Record started;
  started.add_number(kPid, pid);
  (void)send_message(report, started, master ? std::vector<int>{master.get()} : std::vector<int>{});
  ::_exit(0);
}

}  // namespace

Result<Entered> enter_container(const EnterRequest& request) {
  if (request.argv.empty()) return bad_request("exec: no command");
  const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, request.target, 0)));
  if (!pidfd) return not_found("container is not running");
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return system_error("socketpair", errno);
  UniqueFd report(pair[0]);
  UniqueFd theirs(pair[1]);

  const pid_t child = ::fork();
  if (child < 0) return system_error("fork", errno);
  if (child == 0) enter_and_start(request, pidfd.get(), theirs.get());
  theirs.reset();

  // Two messages at most: the pid, and what went wrong; then the end, when exec closed the rest.
  Entered entered;
  Result<void> outcome;
  for (Result<Message> message = receive_message(report.get()); message;
       message = receive_message(report.get())) {
    if (message->record.has(kPid)) {
      entered.pid = static_cast<pid_t>(message->record.number(kPid));
      if (!message->fds.empty()) entered.terminal = std::move(message->fds.front());
    } else {
      outcome = reply_status(message->record);
    }
  }
  (void)wait_for(child);
  if (outcome && entered.pid == 0) outcome = internal_error("exec: the container went away");
  if (!outcome) {
    if (entered.pid != 0) (void)wait_for(entered.pid);
    return std::move(outcome).status();
  }
  return entered;
}

UniqueFd open_pid_namespace(pid_t pid, const Cgroups& cgroups, const std::string& cgroup) {
  // As long as this one has not ended, all that is looked up by the number is its own.
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/pid";
  UniqueFd space(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const std::vector<pid_t> members = cgroups.processes(cgroup);
  pollfd end{process.get(), POLLIN, 0};
  if (!process || std::ranges::find(members, pid) == members.end() || ::poll(&end, 1, 0) != 0)
    space.reset();
  return space;
}

int rlimit_number(const std::string& type) {
  constexpr std::pair<const char*, int> kTypes[] = {{"RLIMIT_AS", RLIMIT_AS},
                                                    {"RLIMIT_CORE", RLIMIT_CORE},
                                                    {"RLIMIT_CPU", RLIMIT_CPU},
                                                    {"RLIMIT_DATA", RLIMIT_DATA},
                                                    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
                                                    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
                                                    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
                                                    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
                                                    {"RLIMIT_NICE", RLIMIT_NICE},
                                                    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
                                                    {"RLIMIT_NPROC", RLIMIT_NPROC},
                                                    {"RLIMIT_RSS", RLIMIT_RSS},
                                                    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
                                                    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
                                                    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
                                                    {"RLIMIT_STACK", RLIMIT_STACK}};
  for (const auto& [name, number] : kTypes)
    if (type == name) return number;
  return -1;
}

}  // namespace orch::runtime
