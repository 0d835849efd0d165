// What the tests of this room share: a CA, a server on loopback and clients that trust it.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "crypto/pki.h"
#include "http/client.h"
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

}  // namespace orch::http::test
