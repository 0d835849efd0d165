// Port-forward's tunnels as SPDY/3.1 streams: for each an error stream and a data stream, which
// belong together by their header requestID.
#include <map>

#include "agent/pods/forward_wire.h"
#include "base/strings.h"
#include "http/spdy_connection.h"

namespace orch::pods {
namespace {

namespace spdy = http::spdy;

constexpr size_t kMaxTunnels = 1000;

class SpdyForward : public ForwardWire {
 public:
  explicit SpdyForward(std::unique_ptr<http::Carrier> carrier) : carrier_(std::move(carrier)) {}

  int fd() const override { return carrier_->fd(); }

  Result<std::optional<Event>> receive() override {
    for (;;) {
      while (auto event = ORCH_TRY(connection_.next())) {
        if (auto told = take(std::move(*event))) return told;
      }
      const std::string bytes = ORCH_TRY(carrier_->receive());
      if (bytes.empty()) return std::optional<Event>();
      connection_.append(bytes);
    }
  }

  void consumed(uint32_t tunnel, size_t bytes) override { connection_.consumed(tunnel, bytes); }
  size_t room(uint32_t tunnel) const override { return connection_.room(tunnel); }
  void send(uint32_t tunnel, std::string_view bytes) override {
    connection_.write(tunnel, bytes, false);
  }

  void end(uint32_t tunnel, std::string_view why) override {
    const auto pair = by_data_.find(tunnel);
    if (pair == by_data_.end()) return;
    const uint32_t error = pair->second;
    forget(tunnel);
    connection_.write(tunnel, "", true);
    // Callers wait for this one.
    connection_.write(error, why.substr(0, connection_.room(error)), true);
    connection_.forget(tunnel);
    connection_.forget(error);
  }

  size_t queued() const override { return carrier_->queued() + connection_.output_bytes(); }
  Result<void> flush() override {
    if (connection_.output_bytes() > 0) carrier_->queue(connection_.take_output());
    return carrier_->flush();
  }
  void close() override { carrier_->close(); }

 private:
  struct Pair {
    uint32_t data = 0, error = 0;  // 0: not opened yet.
  };

  std::optional<Event> take(spdy::Connection::Event event) {
    if (const auto* opened = std::get_if<spdy::Connection::Opened>(&event)) return open(*opened);
    if (const auto* aborted = std::get_if<spdy::Connection::Aborted>(&event)) {
      return abort(aborted->stream);
    }
    auto& received = std::get<spdy::Connection::Received>(event);
    // Callers only close the error stream.
    if (!by_data_.contains(received.stream)) {
      connection_.consumed(received.stream, received.bytes.size());
      return std::nullopt;
    }
    return Event(Received{received.stream, std::move(received.bytes), received.fin});
  }

  std::optional<Event> open(const spdy::Connection::Opened& opened) {
    const std::string_view type = spdy::header(opened.headers, "streamtype");
    const auto port = parse_int(spdy::header(opened.headers, "port"));
    const bool known = type == "data" || type == "error";
    if (!known || !port || *port <= 0 || *port > UINT16_MAX) {
      connection_.refuse(opened.stream, spdy::ResetStatus::refused_stream);
      return std::nullopt;
    }
    std::string key(spdy::header(opened.headers, "requestid"));
    // The oldest callers open the error stream and at once the data stream, and say no more.
    if (key.empty()) key = "#" + std::to_string(type == "data" ? opened.stream - 2 : opened.stream);
    Pair& pair = pairs_[key];
    uint32_t& id = type == "data" ? pair.data : pair.error;
    if (id != 0) {
      connection_.refuse(opened.stream, spdy::ResetStatus::protocol_error);
      return std::nullopt;
    }
    id = opened.stream;
    keys_[id] = key;
    connection_.accept(id);
    if (pair.data == 0 || pair.error == 0) return std::nullopt;
    by_data_[pair.data] = pair.error;
    return Event(Opened{pair.data, static_cast<uint16_t>(*port)});
  }

  std::optional<Event> abort(uint32_t stream) {
    const auto key = keys_.find(stream);
    if (key == keys_.end()) return std::nullopt;
    const Pair pair = pairs_[key->second];
    if (by_data_.contains(pair.data)) return Event(Aborted{pair.data});
    pairs_.erase(key->second);
    keys_.erase(key);
    return std::nullopt;
  }

  void forget(uint32_t data) {
    const uint32_t error = by_data_[data];
    pairs_.erase(keys_[data]);
    keys_.erase(data);
    keys_.erase(error);
    by_data_.erase(data);
  }

  const std::unique_ptr<http::Carrier> carrier_;
  spdy::Connection connection_{2 * kMaxTunnels};
  std::map<std::string, Pair> pairs_;     // By request.
  std::map<uint32_t, std::string> keys_;  // Of both streams: the request.
  std::map<uint32_t, uint32_t> by_data_;  // The whole pairs: the tunnels.
};

}  // namespace

std::unique_ptr<ForwardWire> make_spdy_forward(std::unique_ptr<http::Carrier> carrier) {
  return std::make_unique<SpdyForward>(std::move(carrier));
}

}  // namespace orch::pods
