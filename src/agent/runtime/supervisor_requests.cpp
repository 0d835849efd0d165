// The Supervisor's answers to what agents ask (the list of verbs is in supervisor.h).
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "agent/runtime/capabilities.h"
#include "agent/runtime/enter.h"
#include "agent/runtime/pipe.h"
#include "agent/runtime/runc.h"
#include "agent/runtime/sandbox.h"
#include "agent/runtime/supervisor_parts.h"
#include "base/log.h"

namespace orch::runtime {

namespace {

constexpr size_t kMaxConnections = 256;

void make_non_blocking(const UniqueFd& fd) {
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

}  // namespace

void Supervisor::accept_connection() {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd || connections_.size() >= kMaxConnections) return;
  // An agent that stands still must not stop us: a full socket loses it its event (it has files).
  const timeval patience{1, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  connections_.push_back(std::make_unique<Connection>());
  connections_.back()->fd = std::move(fd);
}

void Supervisor::serve(Connection& connection) {
  Result<Message> message = receive_message(connection.fd.get());
  if (!message) return hang_up(connection);
  const Result<void> done = dispatch(connection, *message);
  if (!done) (void)send_message(connection.fd.get(), failure_record(done.status()));
}

// The end of a session is the end of its program (as CRI runtimes do), but not of an attachment's.
void Supervisor::hang_up(Connection& connection) {
  if (connection.pid > 0) {
    ::kill(-connection.pid, SIGKILL);  // Its session's first group, and itself until reaped.
    ::kill(connection.pid, SIGKILL);
  }
  connection.detach();
  connection.fd.reset();
}

Result<void> Supervisor::dispatch(Connection& connection, Message& message) {
  const Record& request = message.record;
  const std::string& verb = request.text("verb");
  const std::string& id = request.text("id");
  if (verb == "exec") return exec(connection, message);
  if (verb == "attach") return attach(connection, id);
  if (verb == "remove") return remove(connection, id);
  if (verb == "subscribe") {
    connection.subscribed = true;
  } else if (verb == "start") {
    ORCH_TRY(start(id));
  } else if (verb == "kill") {
    ORCH_TRY(kill(id, static_cast<int>(request.number("signal"))));
  } else if (verb == "reopen") {
    Container* container = find(id);
    if (container == nullptr) return not_found("container " + id + " is not there");
    ORCH_TRY(container->log.open());
  } else {
    return bad_request("shim: unknown verb \"" + verb + "\"");
  }
  return send_message(connection.fd.get(), success_record());
}

Result<void> Supervisor::start(const std::string& id) {
  if (find(id) != nullptr) return already_exists("container " + id + " exists");
  const ContainerConfig config = parse_container(ORCH_TRY(read_record(paths_.container(id))));
  auto container = std::make_unique<Container>(
      id, CriLog(config.log_path, settings_.log_max_bytes, settings_.log_max_files, clock_));
  container->tty = config.tty;
  container->stdin_once = config.stdin_once;

  ORCH_TRY(faults_.step("open log"));
  ORCH_TRY(container->log.open());
  ORCH_TRY(faults_.step("pipes"));
  Pipe out, err, in;
  if (!config.tty) {
    out = ORCH_TRY(make_pipe());
    err = ORCH_TRY(make_pipe());
    if (config.stdin_open) in = ORCH_TRY(make_pipe());
  }
  Result<Launched> launched = run_runc(settings_, paths_, id, config.tty,
                                       {in.read.get(), out.write.get(), err.write.get()}, faults_);
  if (launched) {
    Result<void> noted = faults_.step("note start");
    if (noted) noted = write_started(paths_, id, launched->pid, clock_.now());
    if (!noted) launched = std::move(noted).status();
  }
  if (!launched) {
    // The bundle with runc.log goes too; its words are in the status already.
    const Result<void> undone =
        demolish_container(paths_, settings_.runc_root, cgroups_, sandbox_.cgroup_parent, id);
    if (!undone) log::error("shim", "undo " + id + ": " + undone.status().message);
    return std::move(launched).status();
  }
  container->pid = launched->pid;
  container->out = config.tty ? std::move(launched->terminal) : std::move(out.read);
  container->err = std::move(err.read);
  container->in = std::move(in.write);
  make_non_blocking(container->out);
  if (container->err) make_non_blocking(container->err);
  containers_.push_back(std::move(container));
  return {};
}

Result<void> Supervisor::kill(const std::string& id, int signal) {
  const Container* container = find(id);
  if (container == nullptr) return not_found("container " + id + " is not there");
  if (container->exit) return {};
  // Our child and not reaped yet: the pid can be nobody else's.
  if (::kill(container->pid, signal) != 0 && errno != ESRCH)
    return system_error("kill " + id, errno);
  return {};
}

Result<void> Supervisor::remove(Connection& connection, const std::string& id) {
  Container* container = find(id);
  if (container == nullptr) {
    ORCH_TRY(demolish_container(paths_, settings_.runc_root, cgroups_, sandbox_.cgroup_parent, id));
    return send_message(connection.fd.get(), success_record());
  }
  connection.awaits_removal_of = id;
  container->removing = true;
  if (container->exit) {
    remove_now(*container);
  } else {
    ORCH_TRY(kill(id, SIGKILL));  // finish() does the rest.
  }
  return {};
}

Result<void> Supervisor::exec(Connection& connection, Message& message) {
  const Record& request = message.record;
  const std::string& id = request.text("id");
  const Container* container = find(id);
  if (container == nullptr || container->exit)
    return not_found("container " + id + " is not running");
  const ContainerConfig config = parse_container(ORCH_TRY(read_record(paths_.container(id))));

  EnterRequest enter;
  enter.target = container->pid;
  enter.cgroup_files = cgroups_.procs_files(container_cgroup(sandbox_.cgroup_parent, id));
  enter.argv = request.all("argv");
  enter.env = config.env;
  enter.cwd = config.cwd;
  enter.uid = config.uid;
  enter.gid = config.gid;
  enter.groups = config.groups;
  enter.capabilities = capability_mask(config.capabilities);
  enter.no_new_privileges = config.no_new_privileges;
  enter.seccomp = config.seccomp == Seccomp::runtime_default && !config.privileged;
  enter.oom_score_adj = config.resources.oom_score_adj;
  enter.rlimits = config.rlimits;
  enter.tty = request.flag("tty");
  size_t next = 0;
  for (const auto& [key, target] :
       {std::pair{"in", &enter.in}, {"out", &enter.out}, {"err", &enter.err}})
    if (request.flag(key) && next < message.fds.size()) *target = message.fds[next++].get();

  Entered entered = ORCH_TRY(enter_container(enter));
  connection.pid = entered.pid;
  Record reply;
  reply.add_number("pid", entered.pid);
  return send_message(
      connection.fd.get(), reply,
      entered.terminal ? std::vector<int>{entered.terminal.get()} : std::vector<int>{});
}

Result<void> Supervisor::attach(Connection& connection, const std::string& id) {
  Container* container = find(id);
  if (container == nullptr || container->exit)
    return not_found("container " + id + " is not running");
  Pipe out = ORCH_TRY(make_pipe());
  make_non_blocking(out.write);
  std::vector<int> fds = {out.read.get()};
  Record reply;
  reply.add_number("tty", container->tty);
  UniqueFd in, err_read;
  if (container->tty) {
    in = duplicate(container->out);
  } else {
    Pipe err = ORCH_TRY(make_pipe());
    make_non_blocking(err.write);
    connection.err = std::move(err.write);
    err_read = std::move(err.read);
    fds.push_back(err_read.get());
    if (container->in)
      in = container->stdin_once ? std::move(container->in) : duplicate(container->in);
  }
  reply.add_number("in", in.valid());
  if (in) fds.push_back(in.get());
  connection.out = std::move(out.write);
  connection.attached_to = id;
  return send_message(connection.fd.get(), reply, fds);
}

}  // namespace orch::runtime
