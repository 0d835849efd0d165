#include "agent/pods/exec_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "api/json.h"
#include "http/websocket.h"

namespace orch::pods {
namespace {

constexpr size_t kBlock = 32 << 10;
constexpr size_t kMaxMessageBytes = 1 << 20;
constexpr size_t kMaxPendingInput = 1 << 20;  // Beyond it the caller has to wait.
constexpr int kSendTimeoutMs = 60'000;
// How long output is still read after the process itself has ended: what it left in its pipes is
// there at once; a grandchild that keeps them open is not waited for.
constexpr int kDrainMs = 200;

void set_nonblocking(int fd) {
  if (fd >= 0) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

class Session {
 public:
  Session(http::WebSocket& socket, runtime::ExecSession& session, const ExecStreams& streams)
      : socket_(socket), session_(session), streams_(streams) {
    for (const UniqueFd* fd : {&session_.in, &session_.out, &session_.err}) {
      set_nonblocking(fd->get());
    }
    out_open_ = session_.out.valid();
    err_open_ = session_.err.valid();
  }

  void run() {
    // An empty message tells the caller that the streams are there.
    if (!send(streams_.out ? kStdout : streams_.err ? kStderr : kError, "")) return;
    bool exited = false;
    while (alive_ && !(exited && !out_open_ && !err_open_)) {
      if (!take_messages()) return;
      const int ready = wait(exited);
      if (ready < 0 && errno != EINTR) return;
      if (exited && ready == 0) break;
      if (ready <= 0) continue;
      if (polled_[1].revents != 0) out_open_ = pump(session_.out.get(), kStdout);
      if (polled_[2].revents != 0) err_open_ = pump(session_.err.get(), kStderr);
      if (polled_[3].revents != 0) flush_input();
      if (!exited && polled_[4].revents != 0) exited = session_.exited();
    }
    if (!alive_) return;
    const int code = session_.wait();
    send(kError, render_exit_status(streams_.attach ? 0 : code));
    socket_.close(http::close_code::normal, "");
  }

 private:
  int wait(bool exited) {
    const bool room = input_.size() < kMaxPendingInput;
    polled_[0] = {room ? socket_.fd() : -1, POLLIN, 0};
    polled_[1] = {out_open_ ? session_.out.get() : -1, POLLIN, 0};
    polled_[2] = {err_open_ ? session_.err.get() : -1, POLLIN, 0};
    polled_[3] = {input_.empty() ? -1 : session_.in.get(), POLLOUT, 0};
    polled_[4] = {exited ? -1 : session_.exit_fd(), POLLIN, 0};
    return ::poll(polled_, std::size(polled_), exited ? kDrainMs : -1);
  }

  // False when the caller is gone.
  bool take_messages() {
    while (input_.size() < kMaxPendingInput) {
      auto message = socket_.receive();
      if (!message.ok()) return false;
      if (!message->has_value()) return true;
      take_message((*message)->payload);
    }
    return true;
  }

  void take_message(const std::string& payload) {
    if (payload.empty()) return;
    const auto channel = static_cast<uint8_t>(payload[0]);
    if (channel == kStdin && session_.in.valid() && !input_ended_) {
      input_.append(payload, 1);
      flush_input();
    } else if (channel == kCloseChannel && payload.size() == 2 && payload[1] == kStdin) {
      input_ended_ = true;
      flush_input();
    } else if (channel == kResize) {
      const auto size = api::parse_json(std::string_view(payload).substr(1));
      if (!size.ok()) return;
      const auto side = [&](const char* name) {
        return static_cast<uint16_t>(std::clamp<int64_t>((*size)[name].as_int(), 0, UINT16_MAX));
      };
      (void)session_.resize(side("Width"), side("Height"));  // Of no terminal: nothing to tell.
    }
  }

  void flush_input() {
    while (!input_.empty() && session_.in.valid()) {
      const ssize_t n = ::write(session_.in.get(), input_.data(), input_.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) {  // The process does not read any more.
        input_.clear();
        session_.in.reset();
        return;
      }
      input_.erase(0, static_cast<size_t>(n));
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
    const ssize_t n = ::read(fd, block, sizeof block);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
    if (n <= 0) return false;  // A terminal's end is EIO.
    alive_ = send(channel, std::string_view(block, static_cast<size_t>(n)));
    return alive_;
  }

  bool send(uint8_t channel, std::string_view data) {
    std::string message(1, static_cast<char>(channel));
    message += data;
    alive_ = socket_.send(http::Opcode::binary, message, kSendTimeoutMs).ok();
    return alive_;
  }

  http::WebSocket& socket_;
  runtime::ExecSession& session_;
  const ExecStreams& streams_;
  pollfd polled_[5] = {};
  std::string input_;
  bool input_ended_ = false, out_open_ = false, err_open_ = false, alive_ = true;
};

}  // namespace

void run_exec_stream(std::unique_ptr<http::Duplex> duplex, runtime::ExecSession session,
                     const ExecStreams& streams) {
  http::WebSocket socket(std::move(duplex), http::WebSocketRole::server, kMaxMessageBytes,
                         system_random());
  Session(socket, session, streams).run();
}

void refuse_exec_stream(std::unique_ptr<http::Duplex> duplex, const Status& why) {
  http::WebSocket socket(std::move(duplex), http::WebSocketRole::server, kMaxMessageBytes,
                         system_random());
  std::string message(1, static_cast<char>(kError));
  message += render_failure_status(why);
  if (socket.send(http::Opcode::binary, message, kSendTimeoutMs).ok()) {
    socket.close(http::close_code::normal, "");
  }
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
