// Streams between servers, each with a real HTTPS server on the loopback.
#include "server/cluster/peers.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <condition_variable>

#include "api/json.h"
#include "base/files.h"
#include "client/connection.h"
#include "http/server.h"

namespace orch::cluster {
namespace {

constexpr int kPatienceMs = 10'000;
constexpr const char* kNumber = "00000000000000cd";

const crypto::Identity& test_ca() {
  static const crypto::Identity made = crypto::make_ca("orch-ca", 10, system_clock()).value();
  return made;
}

// One value that another thread brings.
template <class T>
class Box {
 public:
  void put(T value) {
    const std::lock_guard lock(mutex_);
    value_.emplace(std::move(value));
    changed_.notify_all();
  }
  T take() {
    std::unique_lock lock(mutex_);
    REQUIRE(changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMs),
                              [this] { return value_.has_value(); }));
    T value = std::move(*value_);
    value_.reset();
    return value;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
};

// A server that hands in what it accepts.
class Host {
 public:
  explicit Host(const std::string& name, const std::string& number = kNumber) {
    REQUIRE(::mkdtemp(folder_) != nullptr);
    self = open_identity(folder_, test_ca(), system_clock()).value();
    contacts = Contacts::open(std::string(folder_) + "/contacts.json").value();
    peers = Peers::create({self, test_ca().certificate, number, *contacts}).value();
    crypto::CertificateSpec spec;
    spec.server_auth = true;
    spec.dns_names = {serving_name(self.id)};
    const auto serving = crypto::issue_certificate(test_ca(), spec, system_clock()).value();
    http::ServerOptions options;
    options.bind_address = "127.0.0.1";
    options.tls = {serving.certificate, serving.private_key, test_ca().certificate};
    server = http::Server::start(options, [this](const std::shared_ptr<http::Exchange>& exchange) {
               const auto done = peers->accept(
                   exchange, [this](uint64_t from, store::StreamUse use, UniqueFd stream) {
                     accepted.put({from, use, std::move(stream)});
                   });
               if (done) return;
               http::Response refusal;
               refusal.status = done.status().code;
               refusal.body.append(api::to_json(
                   api::Value::object({{"kind", "Status"}, {"message", done.status().message}})));
               exchange->send(std::move(refusal));
             }).value();
    REQUIRE(contacts->announce(self.id, name, address()));
  }
  ~Host() {
    server->stop(0);
    peers->stop();
    CHECK(remove_tree(folder_));
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(server->port()); }

  Result<UniqueFd> connect(uint64_t to, const std::string& at,
                           store::StreamUse use = store::StreamUse::raft) {
    const auto box = std::make_shared<Box<Result<UniqueFd>>>();
    peers->connect(to, at, use, [box](Result<UniqueFd> fd) { box->put(std::move(fd)); });
    return box->take();
  }

  struct Accepted {
    uint64_t from = 0;
    store::StreamUse use = store::StreamUse::raft;
    UniqueFd stream;
  };
  ServerIdentity self;
  std::unique_ptr<Contacts> contacts;
  std::unique_ptr<Peers> peers;
  std::unique_ptr<http::Server> server;
  Box<Accepted> accepted;

 private:
  char folder_[32] = "/tmp/orch-peers.XXXXXX";
};

std::string read_bytes(int fd, size_t size) {
  std::string all(size, '\0');
  size_t got = 0;
  while (got < size) {
    pollfd waited{fd, POLLIN, 0};
    if (::poll(&waited, 1, kPatienceMs) != 1) break;
    const ssize_t n = ::recv(fd, all.data() + got, size - got, 0);
    if (n <= 0) break;
    got += static_cast<size_t>(n);
  }
  all.resize(got);
  return all;
}

TEST_CASE("peers: bytes go both ways between two servers that know each other") {
  Host a("a"), b("b");
  const UniqueFd out = a.connect(b.self.id, b.address(), store::StreamUse::messages).value();
  const Host::Accepted in = b.accepted.take();
  CHECK(in.from == a.self.id);
  CHECK(in.use == store::StreamUse::messages);
  // More than all buffers on the way: whoever does not read holds up who writes.
  const std::string sent(3'000'000, 'x');
  std::thread writer([&] { CHECK(write_all(out.get(), sent)); });
  CHECK(read_bytes(in.stream.get(), sent.size()) == sent);
  writer.join();
  CHECK(write_all(in.stream.get(), "back"));
  CHECK(read_bytes(out.get(), 4) == "back");
  // Both have heard of each other.
  CHECK(a.contacts->find(b.self.id)->name == "b");
  CHECK(b.contacts->find(a.self.id)->name == "a");
}

TEST_CASE("peers: a stream's end is told at its other end") {
  Host a("a"), b("b");
  UniqueFd out = a.connect(b.self.id, b.address()).value();
  Host::Accepted in = b.accepted.take();
  SECTION("by who opened it") {
    out.reset();
    CHECK(read_bytes(in.stream.get(), 1).empty());
  }
  SECTION("by who accepted it") {
    in.stream.reset();
    CHECK(read_bytes(out.get(), 1).empty());
  }
  SECTION("by a stop") {
    a.peers->stop();
    CHECK(read_bytes(in.stream.get(), 1).empty());
    CHECK(read_bytes(out.get(), 1).empty());
    CHECK(a.connect(b.self.id, b.address()).status().code == 503);
  }
}

TEST_CASE("peers: a stream outlives the HTTPS server by which it came") {
  Host a("a"), b("b");
  const UniqueFd out = a.connect(b.self.id, b.address()).value();
  const Host::Accepted in = b.accepted.take();
  b.server->stop(0);
  CHECK(write_all(out.get(), "still"));
  CHECK(read_bytes(in.stream.get(), 5) == "still");
}

TEST_CASE("peers: a server that moved is found where it says it is") {
  Host a("a"), b("b"), c("c");
  // The log's address of c is one where nobody is; a hears of the new one by b.
  REQUIRE(c.connect(b.self.id, b.address()).ok());
  b.accepted.take();
  REQUIRE(a.connect(b.self.id, b.address()).ok());
  CHECK(a.connect(c.self.id, "127.0.0.1:1").ok());
  CHECK(c.accepted.take().from == a.self.id);
}

TEST_CASE("peers: another server at the address is noticed") {
  Host a("a"), b("b"), c("c");
  const auto wrong = a.connect(c.self.id, b.address());
  REQUIRE_FALSE(wrong.ok());
  CHECK(wrong.status().code == 502);
}

TEST_CASE("peers: who is no server, or of a former cluster, is refused") {
  Host a("a"), b("b"), former("former", "00000000000000ce");
  SECTION("a former cluster's") {
    CHECK(former.connect(b.self.id, b.address()).status().code == 403);
    REQUIRE(former.peers->refused());
    CHECK(former.peers->refused()->message.find("former cluster") != std::string::npos);
  }
  SECTION("an administrator") {
    http::ClientOptions options;
    options.url = "https://" + b.address();
    options.server_name = serving_name(b.self.id);
    options.ca = test_ca().certificate;
    crypto::CertificateSpec spec;
    spec.common_name = "orch:server:00000000000000ab";
    spec.organizations = {"system:masters"};
    spec.client_auth = true;
    const auto admin = crypto::issue_certificate(test_ca(), spec, system_clock()).value();
    options.certificate = admin.certificate;
    options.private_key = admin.private_key;
    http::Request request;
    request.target = "/orch/v1/peer?use=raft";
    request.headers.set("Connection", "Upgrade");
    request.headers.set("Upgrade", "orch-peer/1");
    request.headers.set("Orch-Cluster", kNumber);
    CHECK(http::Client::create(options).value()->upgrade(request)->head.status == 401);
  }
}

}  // namespace
}  // namespace orch::cluster
