// The HTTP(S) client: blocking, for threads that own their work (loops, watches, pulls, proxies).
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "http/http.h"

namespace orch::http {

struct ClientOptions {
  std::string url;  // "https://10.0.0.1:6443" or "http://127.0.0.1:5000"; path is ignored.
  std::string ca;   // PEM; https verifies the peer against it (empty: system's roots).
  // Hex SHA-256 of a CA certificate's DER: instead of `ca`, https believes the CA certificate with
  // this fingerprint that the peer itself presents. For a first contact. "" = none.
  std::string ca_sha256;
  std::string server_name;               // For SNI and verification; "" = the host of `url`.
  std::string certificate, private_key;  // PEM; client certificate, may be empty.
  bool insecure_skip_verify = false;     // For probes, which Kubernetes defines so.
  int connect_timeout_ms = 10'000;
  int response_timeout_ms = 60'000;   // From request sent to head received, and between reads.
  int silent_peer_ms = 30'000;        // A peer that acknowledges nothing for so long is gone.
  size_t max_body_bytes = 64u << 20;  // For send(); open() streams without a limit.
  bool keep_alive = true;
  size_t max_idle_connections = 4;  // That are kept.
  // A request on a kept connection that the server had closed is sent once more. Not for what must
  // not happen twice: whether the server had seen it can't be known.
  bool repeat_on_kept = true;
  // Once it is readable every wait fails at once with 503; not owned, must outlive all calls.
  int cancel_fd = -1;
};

// A response whose body is read piece by piece.
class ResponseStream {
 public:
  virtual ~ResponseStream() = default;
  virtual const Response& head() const = 0;  // Its body is empty.
  // Waits for some bytes; 0 = the body ended. `timeout_ms` < 0: forever.
  virtual Result<size_t> read(char* into, size_t size, int timeout_ms) = 0;
  // From any thread: makes a waiting and every later read fail at once.
  virtual void cancel() = 0;
};

// Thread-safe: each call under way has a connection of its own, idle ones are kept.
class Client {
 public:
  static Result<std::unique_ptr<Client>> create(ClientOptions options);
  virtual ~Client() = default;
  // Any status is a Response; a Status means that no answer came: 502 when the peer's certificate
  // is not to be believed, else 503 or 504 (refused, timeout, TLS).
  virtual Result<Response> send(const Request& request) = 0;
  virtual Result<std::unique_ptr<ResponseStream>> open(const Request& request) = 0;

  struct Upgraded {
    Response head;                   // 101, or the refusal with its whole body.
    std::unique_ptr<Duplex> duplex;  // Only with 101.
  };
  virtual Result<Upgraded> upgrade(const Request& request) = 0;
};

}  // namespace orch::http
