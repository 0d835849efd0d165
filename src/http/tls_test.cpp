// Who may talk to whom: certificates of servers and clients, renewal, and the client's own errors.
#include "http/tls.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "base/fd.h"
#include "http/http_fixture.h"

using namespace orch;
using namespace orch::http;
using namespace orch::http::test;

namespace {

void tell_peer(const std::shared_ptr<Exchange>& exchange) {
  const Peer& peer = exchange->request().peer;
  Response response;
  if (peer.has_certificate) {
    response.body.append(peer.common_name);
    for (const std::string& organization : peer.organizations)
      response.body.append(" " + organization);
  } else {
    response.body.append("anonymous");
  }
  exchange->send(std::move(response));
}

crypto::Identity other_ca() { return crypto::make_ca("test-ca", 1, system_clock()).value(); }

}  // namespace

TEST_CASE("a client certificate names its owner, none is anonymous") {
  const auto server = serve(tell_peer);
  CHECK(connect(server->port())->send({})->body.flatten() == "anonymous");
  ClientOptions options = client_options(server->port());
  options.certificate = pki().client.certificate;
  options.private_key = pki().client.private_key;
  CHECK(Client::create(options).value()->send({})->body.flatten() == "alice dev ops");
}

TEST_CASE("a client certificate of another CA proves nothing") {
  const auto server = serve(tell_peer);
  crypto::CertificateSpec spec;
  spec.common_name = "system:masters";
  spec.client_auth = true;
  const auto forged = crypto::issue_certificate(other_ca(), spec, system_clock()).value();
  ClientOptions options = client_options(server->port());
  options.certificate = forged.certificate;
  options.private_key = forged.private_key;
  CHECK(Client::create(options).value()->send({})->body.flatten() == "anonymous");
}

TEST_CASE("a certificate for servers is none for clients") {
  const auto server = serve(tell_peer);
  ClientOptions options = client_options(server->port());
  options.certificate = pki().server.certificate;
  options.private_key = pki().server.private_key;
  CHECK(Client::create(options).value()->send({})->body.flatten() == "anonymous");
}

TEST_CASE("without a client CA nobody has a certificate") {
  ServerOptions options = server_options();
  options.tls.client_ca.clear();
  const auto server = serve(tell_peer, options);
  ClientOptions with_certificate = client_options(server->port());
  with_certificate.certificate = pki().client.certificate;
  with_certificate.private_key = pki().client.private_key;
  CHECK(Client::create(with_certificate).value()->send({})->body.flatten() == "anonymous");
}

TEST_CASE("a server is verified by CA and by name") {
  const auto server = serve(tell_peer);
  ClientOptions options = client_options(server->port());
  SECTION("another CA") {
    options.ca = other_ca().certificate;
    CHECK_FALSE(Client::create(options).value()->send({}).ok());
  }
  SECTION("another name") {
    options.server_name = "example.com";
    CHECK_FALSE(Client::create(options).value()->send({}).ok());
  }
  SECTION("another address") {
    options.server_name = "127.0.0.2";
    CHECK_FALSE(Client::create(options).value()->send({}).ok());
  }
  SECTION("a name that the certificate has") {
    options.server_name = "localhost";
    CHECK(Client::create(options).value()->send({}).ok());
  }
  SECTION("no verification, as probes want it") {
    options.ca = "";
    options.insecure_skip_verify = true;
    CHECK(Client::create(options).value()->send({}).ok());
  }
}

TEST_CASE("renewed certificates serve new connections, old ones go on") {
  const auto server = serve(tell_peer);
  const auto before = connect(server->port());
  REQUIRE(before->send({}).ok());
  const auto ca = other_ca();
  crypto::CertificateSpec spec;
  spec.ip_addresses = {"127.0.0.1"};
  spec.server_auth = true;
  const auto fresh = crypto::issue_certificate(ca, spec, system_clock()).value();
  REQUIRE(server->set_tls({fresh.certificate, fresh.private_key, ""}).ok());
  CHECK(before->send({}).ok());
  CHECK_FALSE(connect(server->port())->send({}).ok());
  ClientOptions options = client_options(server->port());
  options.ca = ca.certificate;
  CHECK(Client::create(options).value()->send({}).ok());
  CHECK_FALSE(server->set_tls({"junk", "junk", ""}).ok());
  CHECK_FALSE(server->set_tls({fresh.certificate, pki().server.private_key, ""}).ok());
}

TEST_CASE("a kept connection that the server closed is replaced") {
  ServerOptions options = server_options();
  auto server = serve(tell_peer, options);
  options.port = server->port();
  const auto client = connect(server->port());
  REQUIRE(client->send({}).ok());
  server.reset();
  CHECK_FALSE(client->send({}).ok());
  server = serve(tell_peer, options);
  CHECK(client->send({}).ok());
}

namespace {

// Answers the first request of each connection and ends it at the second. Counts all of them.
class HastyServer {
 public:
  HastyServer() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const raw = reinterpret_cast<sockaddr*>(&address);
    REQUIRE(::bind(listening_.get(), raw, size) == 0);
    REQUIRE(::listen(listening_.get(), 8) == 0);
    REQUIRE(::getsockname(listening_.get(), raw, &size) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~HastyServer() {
    ::shutdown(listening_.get(), SHUT_RDWR);  // Ends accept().
    thread_.join();
  }
  uint16_t port() const { return port_; }
  int seen() const { return seen_; }

 private:
  void run() {
    constexpr std::string_view answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for (;;) {
      const UniqueFd connection(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection) return;
      char request[4096];
      if (::recv(connection.get(), request, sizeof request, 0) <= 0) continue;
      ++seen_;
      ::send(connection.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
      if (::recv(connection.get(), request, sizeof request, 0) > 0) ++seen_;
    }
  }

  UniqueFd listening_;
  uint16_t port_ = 0;
  std::atomic<int> seen_{0};
  std::thread thread_;
};

}  // namespace

TEST_CASE("what must not happen twice is not sent again on another connection") {
  for (const bool repeat : {true, false}) {
    HastyServer server;
    ClientOptions options;
    options.url = "http://127.0.0.1:" + std::to_string(server.port());
    options.repeat_on_kept = repeat;
    const auto client = Client::create(options).value();
    REQUIRE(client->send({}).ok());
    CHECK(client->send({}).ok() == repeat);
    CHECK(server.seen() == (repeat ? 3 : 2));
  }
}

TEST_CASE("a server that never answers is a timeout") {
  std::vector<std::shared_ptr<Exchange>> kept;
  const auto server = serve([&](std::shared_ptr<Exchange> e) { kept.push_back(std::move(e)); });
  ClientOptions options = client_options(server->port());
  options.response_timeout_ms = 50;
  const auto answer = Client::create(options).value()->send({});
  REQUIRE(!answer.ok());
  CHECK(answer.status().code == 504);
}

TEST_CASE("an answer beyond the client's limit is an error") {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    exchange->send({200, {}, std::string(2000, 'x')});
  });
  ClientOptions options = client_options(server->port());
  options.max_body_bytes = 1999;
  CHECK_FALSE(Client::create(options).value()->send({}).ok());
}

TEST_CASE("endpoints come from URLs") {
  struct Row {
    const char *url, *host, *port;
    bool tls;
  };
  for (const Row& row :
       {Row{"https://10.0.0.1:6443/path", "10.0.0.1", "6443", true},
        Row{"http://name", "name", "80", false}, Row{"https://[fd00::1]", "fd00::1", "443", true},
        Row{"https://[fd00::1]:8443?x", "fd00::1", "8443", true}}) {
    INFO(row.url);
    const auto endpoint = parse_endpoint(row.url);
    REQUIRE(endpoint.ok());
    CHECK(endpoint->host == row.host);
    CHECK(endpoint->port == row.port);
    CHECK(endpoint->tls == row.tls);
  }
  for (const char* bad : {"", "ftp://x", "https://", "http://x:0", "http://x:99999", "http://[::1"})
    CHECK_FALSE(parse_endpoint(bad).ok());
}

TEST_CASE("a pinned CA is believed when the server presents it") {
  ServerOptions presenting = server_options();
  presenting.tls.certificate_chain += pki().ca.certificate;
  const auto server = serve(tell_peer, presenting);
  ClientOptions options = client_options(server->port());
  options.ca.clear();
  const auto answer = [&] { return Client::create(options).value()->send({}); };

  options.ca_sha256 = crypto::certificate_info(pki().ca.certificate)->sha256;
  CHECK(answer().ok());
  options.server_name = "elsewhere.example";  // The right CA makes no other name right.
  CHECK(answer().status().code == 502);
  options.server_name.clear();
  options.ca_sha256 = crypto::certificate_info(other_ca().certificate)->sha256;
  CHECK(answer().status().code == 502);
  // A fingerprint of what is no CA proves nothing, though the server holds its key.
  options.ca_sha256 = crypto::certificate_info(pki().server.certificate)->sha256;
  CHECK(answer().status().code == 502);
}

TEST_CASE("a pinned CA that has not signed the server's certificate proves nothing") {
  const auto ca = other_ca();
  ServerOptions impostor = server_options();
  impostor.tls.certificate_chain += ca.certificate;  // Public: anybody can present it.
  const auto server = serve(tell_peer, impostor);
  ClientOptions options = client_options(server->port());
  options.ca.clear();
  options.ca_sha256 = crypto::certificate_info(ca.certificate)->sha256;
  CHECK(Client::create(options).value()->send({}).status().code == 502);
}
