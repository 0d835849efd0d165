// The HTTPS server: one listening socket, a few I/O threads, one strand a connection.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "http/http.h"

namespace orch::http {

// PEM texts. `client_ca` empty: client certificates are not asked for. With it they are asked for
// but optional; one that does not verify ends the handshake.
struct TlsServerConfig {
  std::string certificate_chain;
  std::string private_key;
  std::string client_ca;
};

struct ServerOptions {
  std::string bind_address = "0.0.0.0";  // IPv4 or IPv6 literal.
  uint16_t port = 0;                     // 0 = any free one, see Server::port().
  TlsServerConfig tls;
  int threads = 2;

  // Limits on what a client may send or hold. Beyond them: 413, 431, 408 or a closed connection.
  size_t max_body_bytes = 3u << 20;  // As kube-apiserver.
  size_t max_header_bytes = 64u << 10;
  size_t max_connections = 4096;
  size_t max_upgrades = 256;
  size_t max_handshakes = 1024;        // Beyond them the oldest is given up.
  size_t max_held_bytes = 128u << 20;  // Of all large bodies and unread answers together: 429.
  size_t min_bytes_per_s = 16u << 10;  // Of an answer's reader, on the whole.
  int handshake_timeout_s = 10;
  int request_timeout_s = 30;  // To send a whole request, once its first byte came.
  int idle_timeout_s = 300;    // Between requests.
  int write_timeout_s = 30;    // A stalled reader of a response.
  // Whose bodies may be longer than max_body_bytes, by their heads: such a request is handled while
  // its body comes (Request::rest). Null: none.
  std::function<bool(const Request& head)> streams_body;
  // How a request that no handler sees is refused: malformed, beyond a limit, too much just now.
  // Null: a line of text.
  std::function<Response(const Status&)> refusal;
};

class Server {
 public:
  // Listens and serves until destroyed. "address in use" names address and port.
  static Result<std::unique_ptr<Server>> start(ServerOptions options, Handler handler);
  virtual ~Server() = default;  // stop()s.
  virtual uint16_t port() const = 0;
  // Takes no new connection, ends streams, waits up to `grace_ms` for answers under way.
  virtual void stop(int grace_ms) = 0;
  // New handshakes use these certificates from now on (renewal without restart).
  virtual Result<void> set_tls(const TlsServerConfig& tls) = 0;
};

}  // namespace orch::http
