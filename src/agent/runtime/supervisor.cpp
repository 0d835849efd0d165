// The loop, the children, the output. The requests are in supervisor_requests.cpp.
#include "agent/runtime/supervisor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <functional>

#include "agent/runtime/sandbox.h"
#include "agent/runtime/spawn.h"
#include "agent/runtime/supervisor_parts.h"
#include "base/log.h"

namespace orch::runtime {

namespace {

// At an exit, at most this much is still in a pipe (its largest size without privilege).
constexpr size_t kMaxDrainBytes = 1u << 20;
constexpr size_t kReadBytes = 16u << 10;

}  // namespace

Supervisor::Supervisor(PodPaths paths, SandboxConfig sandbox, Settings settings, Cgroups cgroups,
                       Faults& faults, const Clock& clock)
    : paths_(std::move(paths)),
      sandbox_(std::move(sandbox)),
      settings_(std::move(settings)),
      cgroups_(std::move(cgroups)),
      faults_(faults),
      clock_(clock) {}

Supervisor::~Supervisor() = default;

Result<void> Supervisor::listen() {
  ORCH_TRY(faults_.step("listen"));
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  signals_.reset(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return system_error("signalfd", errno);
  listener_ = ORCH_TRY(listen_in(paths_.folder, kShimSocket, SOCK_SEQPACKET | SOCK_NONBLOCK));
  return {};
}

Result<void> Supervisor::run() {
  std::vector<pollfd> waiting;
  std::vector<std::function<void()>> actions;
  const auto watch = [&](int fd, std::function<void()> action) {
    if (fd < 0) return;
    waiting.push_back({fd, POLLIN, 0});
    actions.push_back(std::move(action));
  };
  for (;;) {
    waiting.clear();
    actions.clear();
    watch(signals_.get(), [this] { reap(); });
    watch(listener_.get(), [this] { accept_connection(); });
    for (const auto& container : containers_) {
      Container* c = container.get();
      watch(c->out.get(), [this, c] { pump(*c, Stream::out, false); });
      watch(c->err.get(), [this, c] { pump(*c, Stream::err, false); });
    }
    for (const auto& connection : connections_) {
      Connection* c = connection.get();
      watch(c->fd.get(), [this, c] { serve(*c); });
    }
    if (::poll(waiting.data(), waiting.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return system_error("poll", errno);
    }
    // Nothing is erased while actions run; what ended is only marked.
    for (size_t i = 0; i < waiting.size(); ++i)
      if (waiting[i].revents != 0) actions[i]();
    std::erase_if(connections_, [](const auto& c) { return !c->fd; });
    std::erase_if(containers_, [](const auto& c) { return c->removed; });
  }
}

Supervisor::Container* Supervisor::find(const std::string& id) {
  for (const auto& container : containers_)
    if (container->id == id && !container->removed) return container.get();
  return nullptr;
}

// A subreaper's children are its containers, its exec'd programs, and their orphans.
void Supervisor::reap() {
  signalfd_siginfo info;
  while (::read(signals_.get(), &info, sizeof info) > 0) {
  }
  int wait_status = 0;
  for (pid_t pid; (pid = ::waitpid(-1, &wait_status, WNOHANG)) > 0;) {
    for (const auto& container : containers_)
      if (container->pid == pid && !container->exit) finish(*container, wait_status);
    for (const auto& connection : connections_) {
      if (connection->pid != pid) continue;
      connection->pid = 0;
      Record exited;
      exited.add_number("exit_code", exit_code_of(wait_status));
      (void)send_message(connection->fd.get(), exited);
    }
  }
}

void Supervisor::finish(Container& container, int wait_status) {
  const std::string cgroup = container_cgroup(sandbox_.cgroup_parent, container.id);
  Exit exit;
  exit.code = exit_code_of(wait_status);
  exit.signal = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;
  exit.finished_at = clock_.now();
  // The counter moves before the victim's death is seen, and goes with the cgroup.
  exit.oom_killed = cgroups_.oom_kills(cgroup) > 0;

  // Without a pid namespace of its own, others may outlive the first process.
  if (const Result<void> killed = cgroups_.kill(cgroup); !killed)
    log::warning("shim", "kill the rest of " + container.id + ": " + killed.status().message);
  pump(container, Stream::out, true);
  pump(container, Stream::err, true);
  container.out.reset();
  container.err.reset();
  container.in.reset();
  container.exit = exit;

  Record record = render_exit(exit);
  if (const Result<void> written = write_record(paths_.exit(container.id), record); !written)
    log::error("shim", "record the exit of " + container.id + ": " + written.status().message);
  record.add("event", "exit");
  record.add("id", container.id);
  Record exit_code;
  exit_code.add_number("exit_code", exit.code);
  for (const auto& connection : connections_) {
    if (connection->subscribed) (void)send_message(connection->fd.get(), record);
    if (connection->attached_to != container.id) continue;
    (void)send_message(connection->fd.get(), exit_code);
    connection->detach();
  }
  if (container.removing) remove_now(container);
}

void Supervisor::remove_now(Container& container) {
  const Result<void> gone = demolish_container(paths_, settings_.runc_root, cgroups_,
                                               sandbox_.cgroup_parent, container.id);
  container.removed = gone.ok();
  for (const auto& connection : connections_) {
    if (connection->awaits_removal_of != container.id) continue;
    connection->awaits_removal_of.clear();
    (void)send_message(connection->fd.get(),
                       gone ? success_record() : failure_record(gone.status()));
  }
}

// Reads what is there once, or all of it when draining, into the log and to those attached.
void Supervisor::pump(Container& container, Stream stream, bool drain) {
  UniqueFd& fd = stream == Stream::out ? container.out : container.err;
  if (!fd) return;
  char buffer[kReadBytes];
  for (size_t total = 0; total < kMaxDrainBytes;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      if (drain) break;
      return;
    }
    if (n <= 0) {  // A pty says EIO where a pipe says end of file.
      fd.reset();
      container.log.finish(stream);
      return;
    }
    const std::string_view bytes(buffer, static_cast<size_t>(n));
    container.log.append(stream, bytes);
    copy_to_attached(container, stream, bytes);
    total += bytes.size();
    if (!drain) return;
  }
  container.log.finish(stream);
}

// Never waits: who reads too slowly loses bytes of its copy.
void Supervisor::copy_to_attached(const Container& container, Stream stream,
                                  std::string_view bytes) {
  for (const auto& connection : connections_) {
    if (connection->attached_to != container.id) continue;
    const UniqueFd& copy = stream == Stream::out ? connection->out : connection->err;
    if (copy) (void)!::write(copy.get(), bytes.data(), bytes.size());
  }
}

}  // namespace orch::runtime
