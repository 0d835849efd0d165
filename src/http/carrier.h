// Carrier: an upgraded connection that carries a session's bytes, as they are or in the messages of
// a WebSocket (kubectl tunnels SPDY so, KEP-4006). Nothing waits in here: what the peer does not
// take at once is queued, and the session, one thread with poll(2), bounds the queue by reading no
// more from its source while queued() is large.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "http/http.h"

namespace orch::http {

class Carrier {
 public:
  virtual ~Carrier() = default;
  virtual int fd() const = 0;
  // Some bytes; "" when none are here: poll. A Status when the peer is gone.
  virtual Result<std::string> receive() = 0;
  virtual void queue(std::string_view bytes) = 0;
  virtual size_t queued() const = 0;
  // Sends as much as the peer takes.
  virtual Result<void> flush() = 0;
  // Ends in good order. Idempotent.
  virtual void close() = 0;
};

std::unique_ptr<Carrier> carry_bare(std::unique_ptr<Duplex> duplex);
// The server's end of a WebSocket.
std::unique_ptr<Carrier> carry_in_websocket(std::unique_ptr<Duplex> duplex);

}  // namespace orch::http
