// exec, exec_sync, attach: processes and their streams.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "agent/runtime/pipe.h"
#include "agent/runtime/runtime_state.h"

namespace orch::runtime {

namespace {

constexpr int kKilledExitCode = 137;  // 128 + SIGKILL.

// Appends what is there to `text` up to `limit`. False at the end of the stream.
bool take_output(int fd, size_t limit, std::string* text, bool* truncated) {
  char buffer[16384];
  const ssize_t n = ::read(fd, buffer, sizeof buffer);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  const size_t kept = std::min(static_cast<size_t>(n), limit - text->size());
  text->append(buffer, kept);
  *truncated = *truncated || kept < static_cast<size_t>(n);
  return n > 0;
}

// What the program itself wrote is in the pipe when its exit is known; a grandchild that keeps the
// pipe open must not hold us up.
void drain(const UniqueFd& fd, size_t limit, std::string* text, bool* truncated) {
  pollfd waiting{fd.get(), POLLIN, 0};
  while (fd && ::poll(&waiting, 1, 0) > 0 && take_output(fd.get(), limit, text, truncated)) {
  }
}

}  // namespace

bool ExecSession::exited() {
  pollfd waiting{connection_.get(), POLLIN, 0};
  if (exit_code_ < 0 && ::poll(&waiting, 1, 0) == 0) return false;
  wait();
  return true;
}

int ExecSession::wait() {
  if (exit_code_ >= 0) return exit_code_;
  const Result<Message> message = receive_message(connection_.get());
  exit_code_ = message ? static_cast<int>(message->record.number("exit_code")) : kKilledExitCode;
  return exit_code_;
}

Result<void> ExecSession::resize(uint16_t columns, uint16_t rows) {
  if (!terminal_) return bad_request("resize: there is no terminal");
  const winsize size{rows, columns, 0, 0};
  if (::ioctl(terminal_.get(), TIOCSWINSZ, &size) != 0) return system_error("resize", errno);
  return {};
}

Result<ExecSession> Runtime::exec(const std::string& container_id, const ExecRequest& request) {
  const std::string sandbox_id = ORCH_TRY(state_->sandbox_of(container_id));
  ExecSession session;
  Record record{{"verb", "exec"}, {"id", container_id}};
  record.add_all("argv", request.argv);
  record.add_number("tty", request.tty);
  std::vector<int> fds;
  Pipe in, out, err;
  if (request.stdin_open && !request.tty) {
    in = ORCH_TRY(make_pipe());
    record.add_number("in", 1);
    fds.push_back(in.read.get());
  }
  if (request.out && !request.tty) {
    out = ORCH_TRY(make_pipe());
    record.add_number("out", 1);
    fds.push_back(out.write.get());
  }
  if (request.err && !request.tty) {
    err = ORCH_TRY(make_pipe());
    record.add_number("err", 1);
    fds.push_back(err.write.get());
  }
  session.connection_ = ORCH_TRY(state_->connect(sandbox_id));
  Message reply = ORCH_TRY(state_->call(session.connection_, record, fds));
  session.pid = static_cast<pid_t>(reply.record.number("pid"));
  session.in = std::move(in.write);
  session.out = std::move(out.read);
  session.err = std::move(err.read);
  if (request.tty && !reply.fds.empty()) {
    session.terminal_ = std::move(reply.fds.front());
    if (request.stdin_open) session.in = duplicate(session.terminal_);
    if (request.out) session.out = duplicate(session.terminal_);
  }
  return session;
}

Result<ExecSession> Runtime::attach(const std::string& container_id) {
  const std::string sandbox_id = ORCH_TRY(state_->sandbox_of(container_id));
  ExecSession session;
  session.connection_ = ORCH_TRY(state_->connect(sandbox_id));
  Message reply =
      ORCH_TRY(state_->call(session.connection_, Record{{"verb", "attach"}, {"id", container_id}}));
  const bool tty = reply.record.flag("tty");
  const bool has_in = reply.record.flag("in");
  if (reply.fds.size() != 1u + (tty ? 0 : 1) + (has_in ? 1 : 0))
    return internal_error("attach: the shim sent other descriptors than it said");
  session.out = std::move(reply.fds[0]);
  if (!tty) session.err = std::move(reply.fds[1]);
  if (has_in) session.in = std::move(reply.fds.back());
  if (tty) session.terminal_ = duplicate(session.in);
  return session;
}

Result<ExecResult> Runtime::exec_sync(const std::string& container_id,
                                      const std::vector<std::string>& argv, int64_t timeout_ms,
                                      size_t output_limit_bytes, int cancel_fd) {
  const MonoTime start = state_->clock.monotonic();
  ExecRequest request;
  request.argv = argv;
  ExecSession session = ORCH_TRY(exec(container_id, request));
  ExecResult result;
  while (true) {
    int wait_ms = -1;
    if (timeout_ms > 0) {
      const auto passed =
          std::chrono::duration_cast<std::chrono::milliseconds>(state_->clock.monotonic() - start);
      wait_ms = static_cast<int>(std::max<int64_t>(timeout_ms - passed.count(), 0));
    }
    pollfd waiting[] = {{session.out.get(), POLLIN, 0},
                        {session.err.get(), POLLIN, 0},
                        {session.exit_fd(), POLLIN, 0},
                        {cancel_fd, POLLIN, 0}};
    const int ready = ::poll(waiting, std::size(waiting), wait_ms);
    if (ready < 0 && errno != EINTR) return system_error("poll", errno);
    if (ready == 0) {
      result.timed_out = true;
      result.exit_code = kKilledExitCode;
      return result;  // The end of the session kills the program.
    }
    if (ready < 0) continue;
    if (waiting[3].revents != 0) return service_unavailable("cancelled");
    if (waiting[0].revents != 0 &&
        !take_output(session.out.get(), output_limit_bytes, &result.out, &result.truncated))
      session.out.reset();
    if (waiting[1].revents != 0 &&
        !take_output(session.err.get(), output_limit_bytes, &result.err, &result.truncated))
      session.err.reset();
    if (waiting[2].revents != 0) break;
  }
  result.exit_code = session.wait();
  drain(session.out, output_limit_bytes, &result.out, &result.truncated);
  drain(session.err, output_limit_bytes, &result.err, &result.truncated);
  return result;
}

}  // namespace orch::runtime
