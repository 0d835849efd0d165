#include "agent/pods/exec_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "api/json.h"

namespace orch::pods {
namespace {

constexpr size_t kBlock = 32 << 10;
constexpr size_t kMaxPendingInput = 1 << 20;     // Beyond it the caller has to wait.
constexpr size_t kMaxPendingOutput = 256 << 10;  // Beyond it the process has.
constexpr size_t kMaxResizeBytes = 4 << 10;
// How long output is still read after the process itself has ended: what it left in its pipes is
// there at once; a grandchild that keeps them open is not waited for.
constexpr int kDrainMs = 200;

constexpr short kGone = POLLERR | POLLHUP | POLLNVAL;

void set_nonblocking(int fd) {
  if (fd >= 0) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

// Waits until the caller has taken all that is queued.
void finish(ExecWire& wire, int idle_ms) {
  while (wire.flush().ok() && wire.queued() > 0) {
    pollfd waited{wire.fd(), POLLOUT, 0};
    const int ready = ::poll(&waited, 1, idle_ms);
    if (ready == 0 || (ready < 0 && errno != EINTR)) break;
  }
  wire.close();
}

class Session {
 public:
  Session(ExecWire& wire, runtime::ExecSession& session, const ExecStreams& streams)
      : wire_(wire), session_(session), streams_(streams) {
    for (const UniqueFd* fd : {&session_.in, &session_.out, &session_.err}) {
      set_nonblocking(fd->get());
    }
    out_open_ = session_.out.valid();
    err_open_ = session_.err.valid();
  }

  // Nothing when the caller is gone, or was cut off.
  std::optional<int> run() {
    bool exited = false;
    while (!(exited && !out_open_ && !err_open_)) {
      if (!take_inputs() || !wire_.flush().ok()) return std::nullopt;
      const int ready = wait(exited);
      if (ready < 0 && errno != EINTR) return std::nullopt;
      if (ready == 0 && drains_) break;
      if (ready == 0) return std::nullopt;
      if (ready < 0) continue;
      if ((polled_[0].revents & kGone) != 0 && (polled_[0].revents & POLLIN) == 0) {
        return std::nullopt;
      }
      if (polled_[1].revents != 0) out_open_ = pump(session_.out.get(), kStdout);
      if (polled_[2].revents != 0) err_open_ = pump(session_.err.get(), kStderr);
      if (polled_[3].revents != 0) flush_input();
      if (!exited && polled_[4].revents != 0) exited = session_.exited();
    }
    return session_.wait();
  }

 private:
  int wait(bool exited) {
    const bool quiet = wire_.queued() < kMaxPendingOutput;
    const bool out_flows = out_open_ && quiet && wire_.room(kStdout) > 0;
    const bool err_flows = err_open_ && quiet && wire_.room(kStderr) > 0;
    const bool hears = input_.size() < kMaxPendingInput && quiet;
    const int events = (hears ? POLLIN : 0) | (wire_.queued() > 0 ? POLLOUT : 0);
    polled_[0] = {wire_.fd(), static_cast<short>(events), 0};
    polled_[1] = {out_flows ? session_.out.get() : -1, POLLIN, 0};
    polled_[2] = {err_flows ? session_.err.get() : -1, POLLIN, 0};
    polled_[3] = {input_.empty() ? -1 : session_.in.get(), POLLOUT, 0};
    polled_[4] = {exited ? -1 : session_.exit_fd(), POLLIN, 0};
    // Whoever reads slowly gets all of it: the pipes are given up only when they are read.
    drains_ = exited && out_flows == out_open_ && err_flows == err_open_;
    return ::poll(polled_, std::size(polled_), drains_ ? kDrainMs : streams_.idle_ms);
  }

  // False when the caller is gone.
  bool take_inputs() {
    while (input_.size() < kMaxPendingInput && wire_.queued() < kMaxPendingOutput) {
      auto input = wire_.receive();
      if (!input.ok()) return false;
      if (!input->has_value()) return true;
      take_input(**input);
    }
    return true;
  }

  void take_input(const ExecInput& input) {
    if (input.channel == kStdin && session_.in.valid() && !input_ended_) {
      input_ += input.bytes;
      input_ended_ = input.ended;
      return flush_input();
    }
    wire_.consumed(input.channel, input.bytes.size());
    if (input.channel == kResize) resize(input.bytes);
  }

  // One document a line.
  void resize(std::string_view bytes) {
    sizes_ += bytes;
    for (size_t end; (end = sizes_.find('\n')) != sizes_.npos; sizes_.erase(0, end + 1)) {
      const auto size = api::parse_json(std::string_view(sizes_).substr(0, end));
      if (!size.ok()) continue;
      const auto side = [&](const char* name) {
        return static_cast<uint16_t>(std::clamp<int64_t>((*size)[name].as_int(), 0, UINT16_MAX));
      };
      (void)session_.resize(side("Width"), side("Height"));  // Of no terminal: nothing to tell.
    }
    if (sizes_.size() > kMaxResizeBytes) sizes_.clear();
  }

  void use_input(size_t bytes) {
    input_.erase(0, bytes);
    wire_.consumed(kStdin, bytes);
  }

  void flush_input() {
    while (!input_.empty() && session_.in.valid()) {
      const ssize_t n = ::write(session_.in.get(), input_.data(), input_.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {  // The process does not read any more.
        use_input(input_.size());
        session_.in.reset();
        return;
      }
      use_input(static_cast<size_t>(n));
    }
    if (!input_ended_ || !session_.in.valid()) return;
    if (streams_.tty) {
      constexpr char kEndOfTransmission = 4;
      (void)!::write(session_.in.get(), &kEndOfTransmission, 1);
    }
    if (!streams_.tty) session_.in.reset();
    input_ended_ = false;
  }

  // False when that stream has ended.
  bool pump(int fd, Channel channel) {
    char block[kBlock];
    const ssize_t n = ::read(fd, block, std::min(sizeof block, wire_.room(channel)));
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    if (n <= 0) return false;  // A terminal's end is EIO.
    wire_.send(channel, std::string_view(block, static_cast<size_t>(n)));
    return true;
  }

  ExecWire& wire_;
  runtime::ExecSession& session_;
  const ExecStreams& streams_;
  pollfd polled_[5] = {};
  std::string input_, sizes_;
  bool input_ended_ = false, out_open_ = false, err_open_ = false;
  bool drains_ = false;  // The process has ended; what it left is read.
};

void say_end(ExecWire& wire, std::string_view words) {
  if (!words.empty()) wire.send(kError, words.substr(0, wire.room(kError)));
  for (const Channel channel : {kStdout, kStderr, kError}) wire.end(channel);
}

}  // namespace

void run_exec_stream(ExecWire& wire, runtime::ExecSession session, const ExecStreams& streams) {
  const auto ended = Session(wire, session, streams).run();
  if (!ended) return wire.close();
  const int code = streams.attach ? 0 : *ended;
  const std::string plain =
      code == 0 ? "" : "command terminated with non-zero exit code: " + std::to_string(code);
  say_end(wire, streams.status_documents ? render_exit_status(code) : plain);
  finish(wire, streams.idle_ms);
}

void refuse_exec_stream(ExecWire& wire, const Status& why, const ExecStreams& streams) {
  say_end(wire, streams.status_documents ? render_failure_status(why) : why.message);
  finish(wire, streams.idle_ms);
}

std::string render_exit_status(int exit_code) {
  auto status = api::Value::object({{"metadata", api::Value::object()}});
  if (exit_code == 0) {
    status.set("status", "Success");
    return api::to_json(status);
  }
  const std::string code = std::to_string(exit_code);
  auto cause = api::Value::object({{"reason", "ExitCode"}, {"message", code}});
  status.set("status", "Failure");
  status.set("message", "command terminated with non-zero exit code: exit status " + code);
  status.set("reason", "NonZeroExitCode");
  status.set("details", api::Value::object({{"causes", api::Value::array({std::move(cause)})}}));
  return api::to_json(status);
}

std::string render_failure_status(const Status& why) {
  auto cause = api::Value::object({{"message", why.message}});
  return api::to_json(api::Value::object(
      {{"metadata", api::Value::object()},
       {"status", "Failure"},
       {"message", "Internal error occurred: error executing command in container: " + why.message},
       {"reason", "InternalError"},
       {"details", api::Value::object({{"causes", api::Value::array({std::move(cause)})}})},
       {"code", 500}}));
}

}  // namespace orch::pods
