// What the tests of this room share: a CA, a server on loopback and clients that trust it.
#pragma once

#include <poll.h>

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>

#include "base/clock.h"
#include "crypto/pki.h"
#include "http/client.h"
#include "http/client_connection.h"
#include "http/server.h"

namespace orch::http::test {

// One CA for server and clients, and a server certificate for loopback. Made once a process.
struct Pki {
  crypto::Identity ca, server, client;
};
inline const Pki& pki() {
  static const Pki made = [] {
    Pki pki;
    pki.ca = crypto::make_ca("test-ca", 1, system_clock()).value();
    crypto::CertificateSpec server;
    server.common_name = "server";
    server.dns_names = {"localhost"};
    server.ip_addresses = {"127.0.0.1", "::1"};
    server.server_auth = true;
    pki.server = crypto::issue_certificate(pki.ca, server, system_clock()).value();
    crypto::CertificateSpec client;
    client.common_name = "alice";
    client.organizations = {"dev", "ops"};
    client.client_auth = true;
    pki.client = crypto::issue_certificate(pki.ca, client, system_clock()).value();
    return pki;
  }();
  return made;
}

inline ServerOptions server_options() {
  ServerOptions options;
  options.bind_address = "127.0.0.1";
  options.tls = {pki().server.certificate, pki().server.private_key, pki().ca.certificate};
  return options;
}

inline ClientOptions client_options(uint16_t port) {
  ClientOptions options;
  options.url = "https://127.0.0.1:" + std::to_string(port);
  options.ca = pki().ca.certificate;
  options.connect_timeout_ms = 10'000;
  options.response_timeout_ms = 20'000;
  return options;
}

inline std::unique_ptr<Server> serve(Handler handler, ServerOptions options = server_options()) {
  return Server::start(std::move(options), std::move(handler)).value();
}
inline std::unique_ptr<Client> connect(uint16_t port) {
  return Client::create(client_options(port)).value();
}

// Answers every request with what it was: method, target, peer and body.
inline void echo(std::shared_ptr<Exchange> exchange) {
  const Request& request = exchange->request();
  Response response;
  response.headers.add("X-Method", request.method);
  response.headers.add("X-Peer", request.peer.common_name);
  response.body.append(request.target + "\n" + request.body);
  exchange->send(std::move(response));
}

// A TLS connection on which a test says what it likes, byte by byte.
class RawClient {
 public:
  explicit RawClient(uint16_t port) {
    const ClientOptions options = client_options(port);
    const Endpoint endpoint = parse_endpoint(options.url).value();
    const SslContext context = make_client_context(options).value();
    SSL_CTX_clear_options(context.get(), SSL_OP_IGNORE_UNEXPECTED_EOF);
    duplex_ = ClientConnection::connect(endpoint, options, context).value()->into_duplex();
  }
  bool say(std::string_view bytes) { return duplex_->write_fully(bytes, 10'000).ok(); }
  // Everything until `mark` was seen, the peer closed, or nothing came for `timeout_ms`.
  std::string hear(std::string_view mark, int timeout_ms = 10'000) {
    std::string heard;
    while (heard.find(mark) == heard.npos) {
      char buffer[4096];
      const auto n = duplex_->read_some(buffer, sizeof buffer);
      if (!n.ok()) {
        closed_ = true;
        closed_well_ = is_eof(n.status());
        break;
      }
      if (*n == 0) {
        pollfd waiting{duplex_->fd(), POLLIN, 0};
        if (::poll(&waiting, 1, timeout_ms) <= 0) break;
      }
      heard.append(buffer, *n);
    }
    return heard;
  }
  // What is there, at most so much; "" when nothing is or the peer closed.
  std::string hear_some(size_t size) {
    std::string heard(size, '\0');
    const auto n = duplex_->read_some(heard.data(), size);
    closed_ = closed_ || !n.ok();
    heard.resize(n.value_or(0));
    return heard;
  }
  std::string hear_all() { return hear("no server says this"); }
  bool closed() const { return closed_; }
  bool closed_well() const { return closed_well_; }  // As hear() saw it.

 private:
  std::unique_ptr<Duplex> duplex_;
  bool closed_ = false;
  bool closed_well_ = false;
};

// A flag that one thread raises and another waits for.
class Event {
 public:
  void raise() {
    const std::lock_guard lock(mutex_);
    raised_ = true;
    changed_.notify_all();
  }
  bool wait(int timeout_ms = 10'000) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return raised_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool raised_ = false;
};

}  // namespace orch::http::test
