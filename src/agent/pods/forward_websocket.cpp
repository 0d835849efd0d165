// Port-forward's tunnels as channels of a WebSocket, as clients before SPDY's tunnel and
// Kubernetes' own tests use it: for the i-th port, data on channel 2i and errors on 2i+1. Each
// channel begins with the number of its port, two bytes, the lower first.
#include "agent/pods/forward_wire.h"
#include "agent/pods/stream_protocol.h"
#include "base/strings.h"
#include "http/websocket.h"

namespace orch::pods {
namespace {

constexpr size_t kMaxForwardBytes = 1 << 20;

class WebSocketForward : public ForwardWire {
 public:
  WebSocketForward(std::unique_ptr<http::Duplex> duplex, std::string_view protocol,
                   const std::vector<uint16_t>& ports)
      : socket_(std::move(duplex), http::WebSocketRole::server, kMaxForwardBytes, system_random()),
        base64_(is_base64_protocol(protocol)),
        ports_(ports) {
    for (size_t i = 0; i < 2 * ports_.size(); ++i) {
      const uint16_t port = ports_[i / 2];
      const char number[] = {static_cast<char>(port & 0xff), static_cast<char>(port >> 8)};
      say(i, std::string_view(number, sizeof number));
    }
  }

  int fd() const override { return socket_.fd(); }

  Result<std::optional<Event>> receive() override {
    if (opened_ < ports_.size()) {
      const auto tunnel = static_cast<uint32_t>(opened_++);
      return std::optional<Event>(Opened{tunnel, ports_[tunnel]});
    }
    for (;;) {
      auto message = ORCH_TRY(socket_.receive());
      if (!message) return std::optional<Event>();
      const std::string& payload = message->payload;
      if (payload.empty()) continue;
      const int channel = static_cast<uint8_t>(payload[0]) - (base64_ ? '0' : 0);
      if (channel < 0 || channel % 2 != 0 || channel / 2 >= static_cast<int>(ports_.size()))
        continue;
      std::optional<std::string> bytes = payload.substr(1);
      if (base64_) bytes = base64_decode(*bytes);
      if (!bytes) return bad_request("a message is not base64");
      const auto tunnel = static_cast<uint32_t>(channel / 2);
      return std::optional<Event>(Received{tunnel, std::move(*bytes), false});
    }
  }

  void consumed(uint32_t, size_t) override {}
  size_t room(uint32_t) const override { return kMaxForwardBytes; }
  void send(uint32_t tunnel, std::string_view bytes) override { say(2 * tunnel, bytes); }
  // A channel can't be ended; once all are, the connection is.
  void end(uint32_t tunnel, std::string_view why) override {
    if (!why.empty()) say(2 * tunnel + 1, why);
    if (++ended_ == ports_.size()) over_ = true;
  }
  size_t queued() const override { return socket_.queued(); }
  Result<void> flush() override {
    ORCH_TRY(socket_.flush());
    if (over_ && socket_.queued() == 0) socket_.close(http::close_code::normal, "");
    return {};
  }
  void close() override { socket_.close(http::close_code::normal, ""); }

 private:
  void say(size_t channel, std::string_view bytes) {
    if (base64_) {
      const auto digit = static_cast<char>('0' + channel);
      return socket_.queue(http::Opcode::text, digit + base64_encode(bytes));
    }
    std::string message(1, static_cast<char>(channel));
    message += bytes;
    socket_.queue(http::Opcode::binary, message);
  }

  http::WebSocket socket_;
  const bool base64_;
  const std::vector<uint16_t> ports_;
  size_t opened_ = 0, ended_ = 0;
  bool over_ = false;
};

}  // namespace

std::unique_ptr<ForwardWire> make_websocket_forward(std::unique_ptr<http::Duplex> duplex,
                                                    std::string_view protocol,
                                                    const std::vector<uint16_t>& ports) {
  return std::make_unique<WebSocketForward>(std::move(duplex), protocol, ports);
}

}  // namespace orch::pods
