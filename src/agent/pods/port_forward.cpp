#include "agent/pods/port_forward.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <map>
#include <optional>
#include <vector>

#include "agent/network/network.h"
#include "base/strings.h"
#include "http/spdy.h"
#include "http/websocket.h"

namespace orch::pods {
namespace {

namespace spdy = http::spdy;

constexpr size_t kBlock = 32 << 10;
constexpr size_t kMaxMessageBytes = 2 << 20;
constexpr size_t kMaxWaiting = 1 << 20;  // For all pod sockets; beyond it the caller has to wait.
constexpr size_t kMaxTunnels = 1000;
constexpr int kSendTimeoutMs = 60'000;

// What brings the SPDY bytes: a WebSocket, or the connection itself.
class Carrier {
 public:
  virtual ~Carrier() = default;
  virtual int fd() const = 0;
  // Some bytes; "" when none are here: poll. A Status when the caller is gone.
  virtual Result<std::string> receive() = 0;
  virtual Result<void> send(std::string_view bytes) = 0;
};

class WebSocketCarrier : public Carrier {
 public:
  explicit WebSocketCarrier(std::unique_ptr<http::Duplex> duplex)
      : socket_(std::move(duplex), http::WebSocketRole::server, kMaxMessageBytes, system_random()) {
  }
  int fd() const override { return socket_.fd(); }
  Result<std::string> receive() override {
    for (;;) {
      auto message = ORCH_TRY(socket_.receive());
      if (!message) return std::string();
      if (!message->payload.empty()) return std::move(message->payload);
    }
  }
  Result<void> send(std::string_view bytes) override {
    return socket_.send(http::Opcode::binary, bytes, kSendTimeoutMs);
  }

 private:
  http::WebSocket socket_;
};

class BareCarrier : public Carrier {
 public:
  explicit BareCarrier(std::unique_ptr<http::Duplex> duplex) : duplex_(std::move(duplex)) {}
  int fd() const override { return duplex_->fd(); }
  Result<std::string> receive() override {
    std::string bytes(kBlock, '\0');
    bytes.resize(ORCH_TRY(duplex_->read_some(bytes.data(), bytes.size())));
    return bytes;
  }
  Result<void> send(std::string_view bytes) override {
    return duplex_->write_fully(bytes, kSendTimeoutMs);
  }

 private:
  std::unique_ptr<http::Duplex> duplex_;
};

// One connection into the pod.
struct Tunnel {
  uint32_t data = 0, error = 0;  // Stream ids; 0: not opened yet.
  uint16_t port = 0;
  UniqueFd socket;
  bool connected = false;
  std::string input;         // On its way to the pod.
  bool input_ended = false;  // The caller will send no more.
  bool input_shut = false;   // And the pod knows.
};

class Session {
 public:
  Session(Carrier& carrier, const DialPod& dial) : carrier_(carrier), dial_(dial) {}

  void run() {
    while (alive_ && take_frames()) {
      std::vector<pollfd> polled = {{waiting() < kMaxWaiting ? carrier_.fd() : -1, POLLIN, 0}};
      std::vector<std::string> keys;
      for (const auto& [key, tunnel] : tunnels_) {
        if (!tunnel.socket) continue;
        const bool writes = !tunnel.connected || !tunnel.input.empty();
        const int events = (tunnel.connected ? POLLIN : 0) | (writes ? POLLOUT : 0);
        polled.push_back({tunnel.socket.get(), static_cast<short>(events), 0});
        keys.push_back(key);
      }
      if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
      for (size_t i = 0; i < keys.size() && alive_; ++i) serve(keys[i], polled[i + 1].revents);
    }
  }

 private:
  size_t waiting() const {
    size_t bytes = 0;
    for (const auto& [key, tunnel] : tunnels_) bytes += tunnel.input.size();
    return bytes;
  }

  // False when the caller is gone.
  bool take_frames() {
    while (alive_ && waiting() < kMaxWaiting) {
      const auto bytes = carrier_.receive();
      if (!bytes.ok()) return false;
      if (bytes->empty()) return true;
      decoder_.append(*bytes);
      for (;;) {
        const auto frame = decoder_.next();
        if (!frame.ok()) return false;
        if (!*frame) break;
        take_frame(**frame);
      }
    }
    return alive_;
  }

  void take_frame(const spdy::Frame& frame) {
    if (const auto* syn = std::get_if<spdy::SynStream>(&frame)) return open_stream(*syn);
    if (const auto* data = std::get_if<spdy::Data>(&frame)) return take_data(*data);
    if (const auto* ping = std::get_if<spdy::Ping>(&frame)) {
      if (ping->id % 2 == 1) send(*ping);  // Even ones would be answers to ours.
    }
    if (const auto* reset = std::get_if<spdy::Reset>(&frame)) {
      const auto stream = streams_.find(reset->stream);
      if (stream != streams_.end()) end(stream->second, "");
    }
  }

  void open_stream(const spdy::SynStream& syn) {
    const std::string_view type = spdy::header(syn.headers, "streamtype");
    const auto port = parse_int(spdy::header(syn.headers, "port"));
    const bool known = type == "data" || type == "error";
    const bool valid = port && *port > 0 && *port <= UINT16_MAX;
    if (!known || !valid || streams_.contains(syn.stream) || tunnels_.size() >= kMaxTunnels) {
      return send(
          spdy::Reset{syn.stream, static_cast<uint32_t>(spdy::ResetStatus::refused_stream)});
    }
    std::string key(spdy::header(syn.headers, "requestid"));
    // The oldest callers open the error stream and at once the data stream, and say no more.
    if (key.empty()) key = "#" + std::to_string(type == "data" ? syn.stream - 2 : syn.stream);
    Tunnel& tunnel = tunnels_[key];
    uint32_t& id = type == "data" ? tunnel.data : tunnel.error;
    if (id != 0) {
      return send(
          spdy::Reset{syn.stream, static_cast<uint32_t>(spdy::ResetStatus::protocol_error)});
    }
    id = syn.stream;
    tunnel.port = static_cast<uint16_t>(*port);
    streams_[syn.stream] = key;
    send(spdy::SynReply{syn.stream, false, {}});
    if (tunnel.data == 0 || tunnel.error == 0) return;
    auto socket = dial_(tunnel.port);
    if (!socket.ok()) return end(key, failure(tunnel, socket.status().message));
    tunnel.socket = std::move(*socket);
  }

  static std::string failure(const Tunnel& tunnel, const std::string& why) {
    return "error forwarding port " + std::to_string(tunnel.port) + ": " + why;
  }

  void take_data(const spdy::Data& data) {
    const auto stream = streams_.find(data.stream);
    if (stream == streams_.end()) return;  // It was on its way when the tunnel ended.
    Tunnel& tunnel = tunnels_[stream->second];
    if (data.stream != tunnel.data) return;  // Callers only close the error stream.
    tunnel.input += data.bytes;
    tunnel.input_ended = tunnel.input_ended || data.fin;
    if (tunnel.connected) flush(std::string(stream->second), tunnel);
  }

  void serve(const std::string& key, short events) {
    const auto found = tunnels_.find(key);
    if (found == tunnels_.end() || events == 0) return;
    Tunnel& tunnel = found->second;
    if (!tunnel.connected) {
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(tunnel.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        return end(key, failure(tunnel, "dial tcp4 127.0.0.1:" + std::to_string(tunnel.port) +
                                            ": connect: " + to_lower(std::strerror(error))));
      }
      tunnel.connected = true;
    }
    if ((events & POLLOUT) != 0 && !flush(key, tunnel)) return;
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) pump(key, tunnel);
  }

  // False when the tunnel has ended.
  bool flush(const std::string& key, Tunnel& tunnel) {
    while (!tunnel.input.empty()) {
      const ssize_t n =
          ::send(tunnel.socket.get(), tunnel.input.data(), tunnel.input.size(), MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return true;
      if (n <= 0) {
        end(key, "");
        return false;
      }
      tunnel.input.erase(0, static_cast<size_t>(n));
    }
    if (tunnel.input_ended && !tunnel.input_shut) {
      tunnel.input_shut = true;
      ::shutdown(tunnel.socket.get(), SHUT_WR);
    }
    return true;
  }

  void pump(const std::string& key, Tunnel& tunnel) {
    std::string block(kBlock, '\0');
    const ssize_t n = ::recv(tunnel.socket.get(), block.data(), block.size(), 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0) return end(key, "");
    block.resize(static_cast<size_t>(n));
    send(spdy::Data{tunnel.data, false, std::move(block)});
  }

  // `why` is for the user; "" when all went well.
  void end(std::string key, const std::string& why) {
    const auto found = tunnels_.find(key);
    const uint32_t data = found->second.data, error = found->second.error;
    tunnels_.erase(found);
    if (data != 0) send(spdy::Data{data, true, ""});
    if (error != 0) send(spdy::Data{error, true, why});  // Callers wait for this one.
    streams_.erase(data);
    streams_.erase(error);
  }

  void send(const spdy::Frame& frame) {
    if (alive_) alive_ = carrier_.send(encoder_.encode(frame)).ok();
  }

  Carrier& carrier_;
  const DialPod& dial_;
  spdy::Decoder decoder_;
  spdy::Encoder encoder_;
  std::map<std::string, Tunnel> tunnels_;    // By request.
  std::map<uint32_t, std::string> streams_;  // Which request they belong to.
  bool alive_ = true;
};

}  // namespace

Result<UniqueFd> dial_in_netns(const std::string& netns_path, uint16_t port) {
  UniqueFd socket;
  const auto dial = [&]() -> Result<void> {
    socket.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) return system_error("socket", errno);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* where = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(socket.get(), where, sizeof address) == 0 || errno == EINPROGRESS) return {};
    return service_unavailable("dial tcp4 127.0.0.1:" + std::to_string(port) +
                               ": connect: " + to_lower(std::strerror(errno)));
  };
  if (netns_path.empty()) {
    ORCH_TRY(dial());
  } else {
    ORCH_TRY(network::with_netns(netns_path, dial));
  }
  return socket;
}

void run_port_forward(std::unique_ptr<http::Duplex> duplex, Carriage carriage,
                      const DialPod& dial) {
  if (carriage == Carriage::web_socket) {
    WebSocketCarrier carrier(std::move(duplex));
    Session(carrier, dial).run();
  } else {
    BareCarrier carrier(std::move(duplex));
    Session(carrier, dial).run();
  }
}

}  // namespace orch::pods
