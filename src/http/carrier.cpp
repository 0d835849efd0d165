#include "http/carrier.h"

#include "http/websocket.h"

namespace orch::http {
namespace {

constexpr size_t kBlock = 32 << 10;
constexpr size_t kMaxMessageBytes = 2 << 20;

class WebSocketCarrier : public Carrier {
 public:
  explicit WebSocketCarrier(std::unique_ptr<Duplex> duplex)
      : socket_(std::move(duplex), WebSocketRole::server, kMaxMessageBytes, system_random()) {}

  int fd() const override { return socket_.fd(); }
  Result<std::string> receive() override {
    for (;;) {
      auto message = ORCH_TRY(socket_.receive());
      if (!message) return std::string();
      if (!message->payload.empty()) return std::move(message->payload);
    }
  }
  void queue(std::string_view bytes) override { socket_.queue(Opcode::binary, bytes); }
  size_t queued() const override { return socket_.queued(); }
  Result<void> flush() override { return socket_.flush(); }
  void close() override { socket_.close(close_code::normal, ""); }

 private:
  WebSocket socket_;
};

class BareCarrier : public Carrier {
 public:
  explicit BareCarrier(std::unique_ptr<Duplex> duplex) : duplex_(std::move(duplex)) {}

  int fd() const override { return duplex_->fd(); }
  Result<std::string> receive() override {
    std::string bytes(kBlock, '\0');
    bytes.resize(ORCH_TRY(duplex_->read_some(bytes.data(), bytes.size())));
    return bytes;
  }
  void queue(std::string_view bytes) override { output_ += bytes; }
  size_t queued() const override { return output_.size(); }
  Result<void> flush() override {
    size_t taken = 0;
    while (taken < output_.size()) {
      const size_t n = ORCH_TRY(duplex_->write_some(std::string_view(output_).substr(taken)));
      if (n == 0) break;
      taken += n;
    }
    output_.erase(0, taken);
    return {};
  }
  void close() override { duplex_->close(); }

 private:
  const std::unique_ptr<Duplex> duplex_;
  std::string output_;
};

}  // namespace

std::unique_ptr<Carrier> carry_bare(std::unique_ptr<Duplex> duplex) {
  return std::make_unique<BareCarrier>(std::move(duplex));
}

std::unique_ptr<Carrier> carry_in_websocket(std::unique_ptr<Duplex> duplex) {
  return std::make_unique<WebSocketCarrier>(std::move(duplex));
}

}  // namespace orch::http
