#include "agent/pods/port_forward.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "agent/network/network.h"
#include "base/strings.h"

namespace orch::pods {
namespace {

constexpr size_t kBlock = 32 << 10;
constexpr size_t kMaxPendingInput = 1 << 20;     // For all pod sockets; beyond it the caller waits.
constexpr size_t kMaxPendingOutput = 256 << 10;  // Beyond it the pods wait.
constexpr size_t kMaxPorts = 100;                // That one WebSocket may name.
constexpr short kGone = POLLERR | POLLHUP | POLLNVAL;

// One connection into the pod.
struct Tunnel {
  uint16_t port = 0;
  UniqueFd socket;
  bool connected = false;
  std::string input;         // On its way to the pod.
  bool input_ended = false;  // The caller will send no more.
  bool input_shut = false;   // And the pod knows.
};

class Session {
 public:
  Session(ForwardWire& wire, const DialPod& dial, int idle_ms)
      : wire_(wire), dial_(dial), idle_ms_(idle_ms) {}

  void run() {
    while (take_events() && wire_.flush().ok() && wait()) {
      for (size_t i = 0; i < keys_.size(); ++i) serve(keys_[i], polled_[i + 1].revents);
    }
    wire_.close();
  }

 private:
  size_t waiting() const {
    size_t bytes = 0;
    for (const auto& [key, tunnel] : tunnels_) bytes += tunnel.input.size();
    return bytes;
  }
  bool quiet() const { return wire_.queued() < kMaxPendingOutput; }

  // False when the caller is gone, or was cut off.
  bool wait() {
    const bool hears = waiting() < kMaxPendingInput && quiet();
    const int events = (hears ? POLLIN : 0) | (wire_.queued() > 0 ? POLLOUT : 0);
    polled_ = {{wire_.fd(), static_cast<short>(events), 0}};
    keys_.clear();
    for (const auto& [key, tunnel] : tunnels_) {
      const bool reads = tunnel.connected && quiet() && wire_.room(key) > 0;
      const bool writes = !tunnel.connected || !tunnel.input.empty();
      const int wanted = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0);
      // Of a socket from which nothing is wanted an end would be told for ever.
      polled_.push_back({wanted ? tunnel.socket.get() : -1, static_cast<short>(wanted), 0});
      keys_.push_back(key);
    }
    const int ready = ::poll(polled_.data(), polled_.size(), idle_ms_);
    if (ready < 0 && errno == EINTR) return true;
    if (ready <= 0) return false;
    return (polled_[0].revents & kGone) == 0 || (polled_[0].revents & POLLIN) != 0;
  }

  // False when the caller is gone.
  bool take_events() {
    while (waiting() < kMaxPendingInput && quiet()) {
      auto event = wire_.receive();
      if (!event.ok()) return false;
      if (!event->has_value()) return true;
      if (const auto* opened = std::get_if<ForwardWire::Opened>(&**event)) open(*opened);
      if (auto* received = std::get_if<ForwardWire::Received>(&**event)) take(*received);
      if (const auto* aborted = std::get_if<ForwardWire::Aborted>(&**event)) {
        end(aborted->tunnel, "");
      }
    }
    return true;
  }

  void open(const ForwardWire::Opened& opened) {
    auto socket = dial_(opened.port);
    if (!socket.ok())
      return wire_.end(opened.tunnel, failure(opened.port, socket.status().message));
    Tunnel& tunnel = tunnels_[opened.tunnel];
    tunnel.port = opened.port;
    tunnel.socket = std::move(*socket);
  }

  static std::string failure(uint16_t port, const std::string& why) {
    return "error forwarding port " + std::to_string(port) + ": " + why;
  }

  void take(ForwardWire::Received& received) {
    const auto found = tunnels_.find(received.tunnel);
    if (found == tunnels_.end()) {  // It was on its way when the tunnel ended.
      return wire_.consumed(received.tunnel, received.bytes.size());
    }
    Tunnel& tunnel = found->second;
    tunnel.input += received.bytes;
    tunnel.input_ended = tunnel.input_ended || received.ended;
    if (tunnel.connected) flush(received.tunnel, tunnel);
  }

  void serve(uint32_t key, short events) {
    const auto found = tunnels_.find(key);
    if (found == tunnels_.end() || events == 0) return;
    Tunnel& tunnel = found->second;
    if (!tunnel.connected) {
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(tunnel.socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) {
        return end(key, failure(tunnel.port, "dial tcp4 127.0.0.1:" + std::to_string(tunnel.port) +
                                                 ": connect: " + to_lower(std::strerror(error))));
      }
      tunnel.connected = true;
    }
    if ((events & POLLOUT) != 0 && !flush(key, tunnel)) return;
    if ((events & (POLLIN | POLLHUP | POLLERR)) != 0 && quiet() && wire_.room(key) > 0)
      pump(key, tunnel);
  }

  // False when the tunnel has ended.
  bool flush(uint32_t key, Tunnel& tunnel) {
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
      wire_.consumed(key, static_cast<size_t>(n));
    }
    if (tunnel.input_ended && !tunnel.input_shut) {
      tunnel.input_shut = true;
      ::shutdown(tunnel.socket.get(), SHUT_WR);
    }
    return true;
  }

  void pump(uint32_t key, Tunnel& tunnel) {
    char block[kBlock];
    const ssize_t n =
        ::recv(tunnel.socket.get(), block, std::min(sizeof block, wire_.room(key)), 0);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0) return end(key, "");
    wire_.send(key, std::string_view(block, static_cast<size_t>(n)));
  }

  void end(uint32_t key, const std::string& why) {
    const auto found = tunnels_.find(key);
    if (found != tunnels_.end()) {
      wire_.consumed(key, found->second.input.size());
      tunnels_.erase(found);
    }
    wire_.end(key, why);
  }

  ForwardWire& wire_;
  const DialPod& dial_;
  const int idle_ms_;
  std::map<uint32_t, Tunnel> tunnels_;
  std::vector<pollfd> polled_;  // The caller's, then those of keys_.
  std::vector<uint32_t> keys_;
};

}  // namespace

const std::vector<std::string>& forward_web_socket_protocols() {
  static const std::vector<std::string> kNames = {kPortForwardTunnel, "v4.channel.k8s.io",
                                                  "v4.base64.channel.k8s.io", ""};
  return kNames;
}

Result<std::vector<uint16_t>> parse_forward_ports(std::string_view query) {
  std::vector<uint16_t> ports;
  for (const auto pair : split(query, '&')) {
    const size_t equals = pair.find('=');
    const auto name = pair.substr(0, equals);
    if ((name != "ports" && name != "port") || equals == pair.npos) continue;
    const auto value = percent_decode(pair.substr(equals + 1), true);
    if (!value) return bad_request("malformed query");
    for (const auto text : split(*value, ',')) {
      const auto port = parse_int(text);
      if (!port || *port <= 0 || *port > UINT16_MAX) {
        return bad_request("unable to parse \"" + std::string(text) + "\" as a port");
      }
      if (ports.size() == kMaxPorts) return bad_request("too many ports");
      ports.push_back(static_cast<uint16_t>(*port));
    }
  }
  if (ports.empty()) return bad_request("query parameter \"port\" is required");
  return ports;
}

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

void run_port_forward(ForwardWire& wire, const DialPod& dial, int idle_ms) {
  Session(wire, dial, idle_ms).run();
}

}  // namespace orch::pods
