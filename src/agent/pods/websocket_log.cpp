#include "agent/pods/websocket_log.h"

#include "agent/pods/exec_stream.h"
#include "base/strings.h"
#include "http/websocket.h"

namespace orch::pods {
namespace {

constexpr size_t kMaxMessageBytes = 64 << 10;

class WebSocketLog : public http::Stream {
 public:
  WebSocketLog(std::unique_ptr<http::Duplex> duplex, bool base64)
      : socket_(std::move(duplex), http::WebSocketRole::server, kMaxMessageBytes, system_random()),
        base64_(base64) {}

  int fd() const { return socket_.fd(); }
  // Takes what the reader said; true when he is gone.
  bool gone() {
    for (;;) {
      const auto message = socket_.receive();
      if (!message.ok()) return true;
      if (!message->has_value()) return false;
    }
  }

  bool write(http::Body piece) override {
    const std::string bytes = piece.flatten();
    const auto sent = base64_
                          ? socket_.send(http::Opcode::text, base64_encode(bytes), kStreamIdleMs)
                          : socket_.send(http::Opcode::binary, bytes, kStreamIdleMs);
    return sent.ok();
  }
  size_t backlog() const override { return 0; }
  bool wait_for_backlog(size_t) override { return true; }  // write() has waited.
  void close() override { socket_.close(http::close_code::normal, ""); }
  void abort() override { socket_.close(http::close_code::internal_error, "the log broke off"); }

 private:
  http::WebSocket socket_;
  const bool base64_;
};

}  // namespace

const std::vector<std::string>& log_web_socket_protocols() {
  static const std::vector<std::string> kNames = {"binary.k8s.io", "base64.binary.k8s.io", ""};
  return kNames;
}

void run_websocket_log(std::unique_ptr<http::Duplex> duplex, std::string_view protocol,
                       LogStream stream) {
  const auto log =
      std::make_shared<WebSocketLog>(std::move(duplex), protocol == "base64.binary.k8s.io");
  stream.closed_fd = log->fd();
  stream.gone = [log] { return log->gone(); };
  stream.out = log;
  run_log_stream(stream);
}

}  // namespace orch::pods
