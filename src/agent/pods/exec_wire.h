// ExecWire: how the channels of exec and attach travel: as messages of a WebSocket that begin with
// their channel, or as streams of SPDY/3.1. Nothing waits in here; what the caller does not take at
// once is queued, and the session reads no more from the process while much is.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/http.h"

namespace orch::pods {

enum Channel : uint8_t { kStdin = 0, kStdout = 1, kStderr = 2, kError = 3, kResize = 4 };

struct ExecInput {
  uint8_t channel = kStdin;
  std::string bytes;
  bool ended = false;  // Nothing follows on that channel.
};

class ExecWire {
 public:
  virtual ~ExecWire() = default;
  virtual int fd() const = 0;
  // The next piece from the caller. Nothing: poll. A Status when the caller is gone.
  virtual Result<std::optional<ExecInput>> receive() = 0;
  // So much of a channel's input is used up.
  virtual void consumed(uint8_t channel, size_t bytes) = 0;
  // How much the caller takes on a channel now.
  virtual size_t room(uint8_t channel) const = 0;
  // Queues; at most room(). What the caller did not ask for is dropped.
  virtual void send(uint8_t channel, std::string_view bytes) = 0;
  virtual void end(uint8_t channel) = 0;
  virtual size_t queued() const = 0;
  // Sends as much as the caller takes.
  virtual Result<void> flush() = 0;
  // Ends in good order.
  virtual void close() = 0;
};

// `protocol`: one of exec_web_socket_protocols(). Tells the caller on the least of his channels
// that the streams are there.
std::unique_ptr<ExecWire> make_websocket_wire(std::unique_ptr<http::Duplex> duplex,
                                              std::string_view protocol, Channel first);
// Waits at most `timeout_ms` for the caller to open these channels, and for no others.
Result<std::unique_ptr<ExecWire>> make_spdy_wire(std::unique_ptr<http::Duplex> duplex,
                                                 const std::set<Channel>& channels, int timeout_ms);

}  // namespace orch::pods
