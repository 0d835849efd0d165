// Exec's channels as streams of SPDY/3.1, one each, named by their header streamType.
#include <poll.h>

#include <chrono>
#include <deque>
#include <map>

#include "agent/pods/exec_wire.h"
#include "base/clock.h"
#include "http/carrier.h"
#include "http/spdy_connection.h"

namespace orch::pods {
namespace {

namespace spdy = http::spdy;

constexpr size_t kMaxStreams = 5;
constexpr auto kFarewell = std::chrono::seconds(10);
constexpr size_t kMaxEarlyBytes = 1 << 20;

std::optional<Channel> channel_of(std::string_view type) {
  if (type == "error") return kError;
  if (type == "stdin") return kStdin;
  if (type == "stdout") return kStdout;
  if (type == "stderr") return kStderr;
  if (type == "resize") return kResize;
  return std::nullopt;
}

class SpdyWire : public ExecWire {
 public:
  SpdyWire(std::unique_ptr<http::Duplex> duplex, std::set<Channel> wanted)
      : carrier_(http::carry_bare(std::move(duplex))), wanted_(std::move(wanted)) {}

  // Takes what comes until all channels are open; input waits for receive().
  Result<bool> open_channels() {
    std::deque<ExecInput> inputs;
    size_t bytes = 0;
    while (auto input = ORCH_TRY(receive())) {
      bytes += input->bytes.size();
      if (bytes > kMaxEarlyBytes) return bad_request("too much input before the streams are there");
      inputs.push_back(std::move(*input));
    }
    early_ = std::move(inputs);
    ORCH_TRY(flush());
    return streams_.size() == wanted_.size();
  }

  int fd() const override { return carrier_->fd(); }

  Result<std::optional<ExecInput>> receive() override {
    if (!early_.empty()) {
      std::optional<ExecInput> first = std::move(early_.front());
      early_.pop_front();
      return first;
    }
    for (;;) {
      while (auto event = ORCH_TRY(connection_.next())) {
        if (auto input = take(std::move(*event))) return input;
      }
      const std::string bytes = ORCH_TRY(carrier_->receive());
      if (bytes.empty()) return std::optional<ExecInput>();
      connection_.append(bytes);
    }
  }

  void consumed(uint8_t channel, size_t bytes) override {
    const auto found = streams_.find(channel);
    if (found != streams_.end()) connection_.consumed(found->second, bytes);
  }

  // A channel that was not asked for, or is gone, takes everything: it leads nowhere.
  size_t room(uint8_t channel) const override {
    const auto found = streams_.find(channel);
    const bool open = found != streams_.end() && connection_.is_open(found->second);
    return open ? connection_.room(found->second) : spdy::kMaxFrameBytes;
  }

  void send(uint8_t channel, std::string_view bytes) override {
    const auto found = streams_.find(channel);
    if (found != streams_.end()) connection_.write(found->second, bytes, false);
  }

  void end(uint8_t channel) override {
    const auto found = streams_.find(channel);
    if (found != streams_.end()) connection_.write(found->second, "", true);
  }

  size_t queued() const override { return carrier_->queued() + connection_.output_bytes(); }

  Result<void> flush() override {
    carrier_->queue(connection_.take_output());
    return carrier_->flush();
  }

  // Kubernetes' clients drop what they have not looked at yet once the connection ends, so they
  // hang up first, having seen the ends of their streams.
  void close() override {
    const MonoTime deadline = system_clock().monotonic() + kFarewell;
    for (bool there = queued() == 0; there;) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().monotonic());
      pollfd waiting{fd(), POLLIN, 0};
      there = left.count() > 0 && ::poll(&waiting, 1, static_cast<int>(left.count())) > 0;
      // What he still says is too late.
      if (there) there = receive().ok();
    }
    carrier_->close();
  }

 private:
  std::optional<ExecInput> take(spdy::Connection::Event event) {
    if (const auto* opened = std::get_if<spdy::Connection::Opened>(&event)) return open(*opened);
    if (const auto* aborted = std::get_if<spdy::Connection::Aborted>(&event)) {
      return ended(aborted->stream);
    }
    auto& received = std::get<spdy::Connection::Received>(event);
    for (const auto& [channel, stream] : streams_) {
      if (stream == received.stream) {
        return ExecInput{channel, std::move(received.bytes), received.fin};
      }
    }
    return std::nullopt;
  }

  std::optional<ExecInput> open(const spdy::Connection::Opened& opened) {
    const auto channel = channel_of(spdy::header(opened.headers, "streamtype"));
    if (!channel || !wanted_.contains(*channel) || streams_.contains(*channel)) {
      connection_.refuse(opened.stream, spdy::ResetStatus::refused_stream);
      return std::nullopt;
    }
    streams_[*channel] = opened.stream;
    connection_.accept(opened.stream);
    return opened.fin ? ended(opened.stream) : std::nullopt;
  }

  std::optional<ExecInput> ended(uint32_t id) const {
    for (const auto& [channel, stream] : streams_) {
      if (stream == id) return ExecInput{channel, "", true};
    }
    return std::nullopt;
  }

  const std::unique_ptr<http::Carrier> carrier_;
  spdy::Connection connection_{kMaxStreams};
  const std::set<Channel> wanted_;
  std::map<uint8_t, uint32_t> streams_;  // By channel.
  std::deque<ExecInput> early_;          // Came before all channels were open.
};

}  // namespace

Result<std::unique_ptr<ExecWire>> make_spdy_wire(std::unique_ptr<http::Duplex> duplex,
                                                 const std::set<Channel>& channels,
                                                 int timeout_ms) {
  auto wire = std::make_unique<SpdyWire>(std::move(duplex), channels);
  const MonoTime deadline = system_clock().monotonic() + std::chrono::milliseconds(timeout_ms);
  while (!ORCH_TRY(wire->open_channels())) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().monotonic());
    if (left.count() <= 0) return gateway_timeout("the caller did not open its streams in time");
    pollfd waiting{wire->fd(), static_cast<short>(POLLIN | (wire->queued() > 0 ? POLLOUT : 0)), 0};
    ::poll(&waiting, 1, static_cast<int>(left.count()));
  }
  return std::unique_ptr<ExecWire>(std::move(wire));
}

}  // namespace orch::pods
