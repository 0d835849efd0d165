// Exec's channels in the messages of a WebSocket: binary, or text with base64 behind the channel's
// digit. v5 has a message that ends a channel (KEP-4006).
#include "agent/pods/exec_wire.h"
#include "agent/pods/stream_protocol.h"
#include "base/strings.h"
#include "http/websocket.h"

namespace orch::pods {
namespace {

constexpr size_t kMaxMessageBytes = 1 << 20;
constexpr uint8_t kCloseChannel = 255;  // The next byte is the channel that ended.

class WebSocketWire : public ExecWire {
 public:
  WebSocketWire(std::unique_ptr<http::Duplex> duplex, std::string_view protocol)
      : socket_(std::move(duplex), http::WebSocketRole::server, kMaxMessageBytes, system_random()),
        base64_(is_base64_protocol(protocol)),
        closes_channels_(protocol_version(protocol) >= 5) {}

  int fd() const override { return socket_.fd(); }

  Result<std::optional<ExecInput>> receive() override {
    for (;;) {
      auto message = ORCH_TRY(socket_.receive());
      if (!message) return std::optional<ExecInput>();
      const std::string& payload = message->payload;
      if (payload.empty()) continue;
      auto channel = static_cast<uint8_t>(payload[0]);
      if (closes_channels_ && channel == kCloseChannel && payload.size() == 2) {
        return std::optional(ExecInput{static_cast<uint8_t>(payload[1]), "", true});
      }
      if (!base64_) return whole(channel, payload.substr(1));
      channel = static_cast<uint8_t>(channel - '0');
      auto bytes = base64_decode(std::string_view(payload).substr(1));
      if (!bytes) return bad_request("a message is not base64");
      return whole(channel, std::move(*bytes));
    }
  }

  void consumed(uint8_t, size_t) override {}
  size_t room(uint8_t) const override { return kMaxMessageBytes; }

  void send(uint8_t channel, std::string_view bytes) override {
    if (base64_) {
      const auto digit = static_cast<char>('0' + channel);
      return socket_.queue(http::Opcode::text, digit + base64_encode(bytes));
    }
    std::string message(1, static_cast<char>(channel));
    message += bytes;
    socket_.queue(http::Opcode::binary, message);
  }

  void end(uint8_t) override {}
  size_t queued() const override { return socket_.queued(); }
  Result<void> flush() override { return socket_.flush(); }
  void close() override { socket_.close(http::close_code::normal, ""); }

 private:
  // A size needs no line end here, as a message is one; sizes on a SPDY stream do.
  static std::optional<ExecInput> whole(uint8_t channel, std::string bytes) {
    if (channel == kResize) bytes += '\n';
    return ExecInput{channel, std::move(bytes), false};
  }

  http::WebSocket socket_;
  const bool base64_, closes_channels_;
};

}  // namespace

std::unique_ptr<ExecWire> make_websocket_wire(std::unique_ptr<http::Duplex> duplex,
                                              std::string_view protocol, Channel first) {
  auto wire = std::make_unique<WebSocketWire>(std::move(duplex), protocol);
  wire->send(first, "");
  return wire;
}

}  // namespace orch::pods
