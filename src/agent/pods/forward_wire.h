// ForwardWire: how the connections of port-forward travel between the caller and us: as pairs of
// SPDY/3.1 streams, or as pairs of channels in a WebSocket. A tunnel is one connection into the
// pod; the wire numbers them. Nothing waits in here, as in exec_wire.h.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "http/carrier.h"

namespace orch::pods {

class ForwardWire {
 public:
  struct Opened {
    uint32_t tunnel = 0;
    uint16_t port = 0;
  };
  struct Received {
    uint32_t tunnel = 0;
    std::string bytes;
    bool ended = false;  // The caller will send no more.
  };
  struct Aborted {
    uint32_t tunnel = 0;
  };
  using Event = std::variant<Opened, Received, Aborted>;

  virtual ~ForwardWire() = default;
  virtual int fd() const = 0;
  // Nothing: poll. A Status when the caller is gone.
  virtual Result<std::optional<Event>> receive() = 0;
  virtual void consumed(uint32_t tunnel, size_t bytes) = 0;
  virtual size_t room(uint32_t tunnel) const = 0;
  virtual void send(uint32_t tunnel, std::string_view bytes) = 0;
  // `why` is for the user; "" when all went well.
  virtual void end(uint32_t tunnel, std::string_view why) = 0;
  virtual size_t queued() const = 0;
  virtual Result<void> flush() = 0;
  virtual void close() = 0;
};

std::unique_ptr<ForwardWire> make_spdy_forward(std::unique_ptr<http::Carrier> carrier);
// One tunnel for each of `ports`, open from the beginning. `protocol`: one of
// forward_web_socket_protocols() but the tunnel.
std::unique_ptr<ForwardWire> make_websocket_forward(std::unique_ptr<http::Duplex> duplex,
                                                    std::string_view protocol,
                                                    const std::vector<uint16_t>& ports);

}  // namespace orch::pods
