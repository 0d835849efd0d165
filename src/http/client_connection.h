// ClientConnection: one blocking HTTP/1.1 connection, plain or TLS, of the Client. Waits with
// poll(2) on its socket and on an eventfd through which any thread can cancel it.
#pragma once

#include <netdb.h>

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/fd.h"
#include "http/client.h"
#include "http/parser.h"
#include "http/tls.h"
#include "http/transport.h"

namespace orch::http {

// Where a client connects to, from its URL.
struct Endpoint {
  bool tls = false;
  std::string host;  // Without brackets.
  std::string port;
  std::string authority;  // For the Host header.
};
Result<Endpoint> parse_endpoint(const std::string& url);

class ClientConnection {
 public:
  // Connects and shakes hands within options.connect_timeout_ms. `tls` is null for plain HTTP.
  static Result<std::unique_ptr<ClientConnection>> connect(const Endpoint& endpoint,
                                                           const ClientOptions& options,
                                                           const SslContext& tls);

  // Sends the whole request and reads the head of the final response (1xx are skipped, but 101).
  Result<void> exchange(const Request& request, const Endpoint& endpoint,
                        const ClientOptions& options, uint64_t body_limit);
  // After exchange(). Some bytes of the body; 0 = it ended.
  Result<size_t> read_body(char* into, size_t size, int timeout_ms);

  Response& head() { return parser_->head(); }
  // The whole response was read and the connection may carry another request.
  bool reusable() const;
  // No byte of an answer has come: a kept connection that the server had closed looks like this.
  bool answered() const { return answered_; }
  // An idle connection must be silent: bytes or an end mean that it is of no use any more.
  bool still_idle() const;
  // From any thread: makes every wait fail, now and later.
  void cancel();
  // After a 101: the connection itself.
  std::unique_ptr<Duplex> into_duplex();

 private:
  ClientConnection() = default;

  Result<void> open_socket(const Endpoint& endpoint, MonoTime deadline);
  Result<UniqueFd> try_address(const addrinfo& address, MonoTime deadline);
  Result<void> shake_hands(MonoTime deadline);
  Result<void> write_all(std::string_view bytes, int timeout_ms);
  Result<void> send_long_body(const Request& request, int timeout_ms,
                              std::optional<Status>* broken);
  // Reads once into the parser. `timeout_ms` < 0: forever.
  Result<void> receive(int timeout_ms);
  Result<void> read_more(MonoTime deadline);
  Result<void> wait(int fd, short events, MonoTime deadline);

  UniqueFd socket_;  // Until the Transport takes it.
  UniqueFd cancelled_;
  int cancel_fd_ = -1;  // ClientOptions::cancel_fd
  int silent_peer_ms_ = 0;
  std::optional<Transport> transport_;
  std::optional<ResponseParser> parser_;
  std::string input_;         // Read and not yet parsed.
  bool fresh_input_ = false;  // Some of input_ was not yet offered to the parser.
  bool answered_ = false;
  bool ended_ = false;    // The peer closed.
  bool spoiled_ = false;  // The request was not sent whole: no other may follow.
};

}  // namespace orch::http
