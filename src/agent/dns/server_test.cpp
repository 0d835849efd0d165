// The server over loopback, with a client of the test's own and a fake upstream resolver.
#include "agent/dns/server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <functional>
#include <thread>

#include "agent/dns/cache.h"
#include "agent/dns/forwarder.h"

namespace orch::dns {
namespace {

const Ipv4 kLoopback = Ipv4{0x7f000001};

sockaddr_in to_sockaddr(uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  out.sin_addr.s_addr = htonl(kLoopback.value);
  return out;
}

UniqueFd connected(int type, uint16_t port) {
  UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const timeval patience{10, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const sockaddr_in to = to_sockaddr(port);
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
  return fd;
}

std::string ask_udp(uint16_t port, const std::string& query) {
  const UniqueFd fd = connected(SOCK_DGRAM, port);
  REQUIRE(::send(fd.get(), query.data(), query.size(), 0) == static_cast<ssize_t>(query.size()));
  char buffer[4096];
  const ssize_t got = ::recv(fd.get(), buffer, sizeof buffer, 0);
  return got < 0 ? std::string() : std::string(buffer, static_cast<size_t>(got));
}

std::string read_exactly(int fd, size_t count) {
  std::string out;
  char buffer[4096];
  while (out.size() < count) {
    const ssize_t got = ::recv(fd, buffer, std::min(sizeof buffer, count - out.size()), 0);
    if (got <= 0) break;
    out.append(buffer, static_cast<size_t>(got));
  }
  return out;
}

std::string framed(const std::string& message) {
  return std::string{static_cast<char>(message.size() >> 8), static_cast<char>(message.size())} +
         message;
}

std::string read_frame(int fd) {
  const std::string head = read_exactly(fd, 2);
  if (head.size() < 2) return {};
  return read_exactly(
      fd, static_cast<size_t>(static_cast<uint8_t>(head[0])) << 8 | static_cast<uint8_t>(head[1]));
}

std::string ask_tcp(uint16_t port, const std::string& query) {
  const UniqueFd fd = connected(SOCK_STREAM, port);
  const std::string frame = framed(query);
  REQUIRE(::send(fd.get(), frame.data(), frame.size(), MSG_NOSIGNAL) > 0);
  return read_frame(fd.get());
}

// A resolver whose answers are a function; UDP and TCP on one port of loopback.
class FakeUpstream {
 public:
  using Answer = std::function<std::string(const Query& query, bool tcp)>;

  explicit FakeUpstream(Answer answer) : answer_(std::move(answer)) {
    ORCH_CHECK(::pipe(stop_) == 0);
    for (;;) {
      udp_ = UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      tcp_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_in address = to_sockaddr(0);
      socklen_t length = sizeof address;
      auto* generic = reinterpret_cast<sockaddr*>(&address);
      ORCH_CHECK(::bind(udp_.get(), generic, length) == 0);
      ORCH_CHECK(::getsockname(udp_.get(), generic, &length) == 0);
      port_ = ntohs(address.sin_port);
      if (::bind(tcp_.get(), generic, length) == 0 && ::listen(tcp_.get(), 8) == 0) break;
    }
    thread_ = std::thread([this] { run(); });
  }
  ~FakeUpstream() {
    ::close(stop_[1]);
    thread_.join();
    ::close(stop_[0]);
  }

  SocketAddress address() const { return {kLoopback, port_}; }
  int asked() const { return asked_; }

 private:
  void run() {
    for (;;) {
      pollfd fds[3] = {{udp_.get(), POLLIN, 0}, {tcp_.get(), POLLIN, 0}, {stop_[0], POLLIN, 0}};
      ::poll(fds, 3, -1);
      if (fds[2].revents) return;
      if (fds[0].revents) serve_udp();
      if (fds[1].revents) serve_tcp();
    }
  }
  void serve_udp() {
    char buffer[4096];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    const ssize_t got = ::recvfrom(udp_.get(), buffer, sizeof buffer, 0,
                                   reinterpret_cast<sockaddr*>(&from), &length);
    if (got < 0) return;
    const auto query = parse_query({buffer, static_cast<size_t>(got)});
    if (!query) return;
    ++asked_;
    const std::string reply = answer_(*query, false);
    ::sendto(udp_.get(), reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
  }
  void serve_tcp() {
    const UniqueFd client(::accept4(tcp_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const auto query = parse_query(read_frame(client.get()));
    if (!query) return;
    ++asked_;
    const std::string reply = framed(answer_(*query, true));
    ::send(client.get(), reply.data(), reply.size(), MSG_NOSIGNAL);
  }

  Answer answer_;
  int stop_[2];
  UniqueFd udp_, tcp_;
  uint16_t port_ = 0;
  std::atomic<int> asked_ = 0;
  std::thread thread_;
};

std::string address_reply(const Query& query, uint32_t ttl_s) {
  Reply reply;
  reply.answers = {{query.question.name, Type::a, ttl_s, Ipv4{0xcb007107}}};  // 203.0.113.7
  return render_reply(query, reply, kUdpBytes);
}

std::shared_ptr<const Zone> test_zone() {
  ZoneData data;
  ZoneService web, big, outside, inside;
  web.name = "web", web.ns = "default", web.cluster_ip = *parse_ipv4("10.43.0.10");
  big.name = "big", big.ns = "default";
  for (uint32_t i = 1; i <= 100; ++i) big.endpoints.push_back({"", Ipv4{0x0a2a0000 + i}, {}, true});
  outside.name = "outside", outside.ns = "default", outside.external_name = "example.org";
  inside.name = "inside", inside.ns = "default";
  inside.external_name = "web.default.svc.cluster.local";
  data.services = {web, big, outside, inside};
  return std::make_shared<const Zone>(std::move(data));
}

std::unique_ptr<Server> start(std::vector<SocketAddress> upstreams) {
  ServerOptions options;
  options.addresses = {kLoopback};
  options.port = 0;
  options.upstreams = std::move(upstreams);
  auto server = Server::start(options, system_clock(), system_random());
  REQUIRE(server.ok());
  (*server)->set_zone(test_zone());
  return std::move(*server);
}

std::string query_a(const std::string& name, bool edns = true) {
  return render_query(77, {name, Type::a, kClassIn}, edns);
}

std::string address_of(const std::string& message) {
  const auto relayed = parse_reply(message);
  if (!relayed || relayed->addresses.empty()) return "";
  const auto* ip = std::get_if<Ipv4>(&relayed->addresses.back().data);
  return ip ? ip->text() : "";
}

TEST_CASE("dns server: answers cluster names over UDP and TCP") {
  const auto server = start({});
  const std::string query = query_a("web.default.svc.cluster.local");
  for (const std::string& reply :
       {ask_udp(server->port(), query), ask_tcp(server->port(), query)}) {
    const auto read = parse_reply(reply);
    REQUIRE(read.ok());
    CHECK(read->id == 77);
    CHECK(address_of(reply) == "10.43.0.10");
  }
  const auto missing =
      parse_reply(ask_udp(server->port(), query_a("no.default.svc.cluster.local")));
  CHECK(missing->rcode == Rcode::name_error);
}

TEST_CASE("dns server: long answers are cut over UDP and whole over TCP") {
  const auto server = start({});
  const std::string name = "big.default.svc.cluster.local";
  const std::string plain = ask_udp(server->port(), query_a(name, false));
  CHECK(plain.size() <= kPlainUdpBytes);
  CHECK(parse_reply(plain)->truncated);
  const std::string edns = ask_udp(server->port(), query_a(name, true));
  CHECK(edns.size() > plain.size());
  CHECK(edns.size() <= kUdpBytes);
  const auto whole = parse_reply(ask_tcp(server->port(), query_a(name)));
  CHECK_FALSE(whole->truncated);
  CHECK(whole->addresses.size() == 100);
}

TEST_CASE("dns server: many queries on one TCP connection") {
  const auto server = start({});
  const UniqueFd fd = connected(SOCK_STREAM, server->port());
  std::string frames;
  for (int i = 0; i < 10; ++i) frames += framed(query_a("web.default.svc.cluster.local"));
  // In two pieces that respect no border.
  REQUIRE(::send(fd.get(), frames.data(), 33, 0) == 33);
  REQUIRE(::send(fd.get(), frames.data() + 33, frames.size() - 33, 0) > 0);
  for (int i = 0; i < 10; ++i) CHECK(address_of(read_frame(fd.get())) == "10.43.0.10");
}

TEST_CASE("dns server: hostile bytes get an error, silence or a closed door, and harm nobody") {
  const auto server = start({});
  const std::string broken = query_a("a.b").substr(0, 14);
  const std::string error = ask_udp(server->port(), broken);
  REQUIRE(error.size() == 12);
  CHECK((error[3] & 0x0f) == static_cast<int>(Rcode::format_error));
  const UniqueFd fd = connected(SOCK_STREAM, server->port());
  REQUIRE(::send(fd.get(), "\xff\xff", 2, 0) == 2);
  CHECK(read_frame(fd.get()).empty());  // Closed.
  CHECK(address_of(ask_udp(server->port(), query_a("web.default.svc.cluster.local"))) ==
        "10.43.0.10");
}

TEST_CASE("dns server: forwards, and remembers") {
  FakeUpstream upstream([](const Query& query, bool) { return address_reply(query, 60); });
  const auto server = start({upstream.address()});
  for (const char* name : {"example.org", "EXAMPLE.org", "example.org"}) {
    const std::string reply = ask_udp(server->port(), query_a(name));
    CHECK(address_of(reply) == "203.0.113.7");
    CHECK(parse_reply(reply)->question.name == name);
    CHECK(parse_reply(reply)->id == 77);
  }
  CHECK(upstream.asked() == 1);
  CHECK(address_of(ask_tcp(server->port(), query_a("example.org"))) == "203.0.113.7");
  CHECK(upstream.asked() == 1);
  CHECK(address_of(ask_tcp(server->port(), query_a("other.org"))) == "203.0.113.7");
  CHECK(upstream.asked() == 2);
}

TEST_CASE("dns server: what must not be remembered is asked again") {
  FakeUpstream upstream([](const Query& query, bool) { return address_reply(query, 0); });
  const auto server = start({upstream.address()});
  for (int i = 0; i < 3; ++i) ask_udp(server->port(), query_a("example.org"));
  CHECK(upstream.asked() == 3);
}

TEST_CASE("dns server: a truncated answer sends the client to TCP, and upstream too") {
  FakeUpstream upstream([](const Query& query, bool tcp) {
    Reply reply;
    for (uint32_t i = 1; i <= 200; ++i)
      reply.answers.push_back({query.question.name, Type::a, 60, Ipv4{i}});
    return render_reply(query, reply, tcp ? kMaxMessageBytes : kUdpBytes);
  });
  const auto server = start({upstream.address()});
  CHECK(parse_reply(ask_udp(server->port(), query_a("example.org")))->truncated);
  const auto whole = parse_reply(ask_tcp(server->port(), query_a("example.org")));
  REQUIRE(whole.ok());
  CHECK(whole->addresses.size() == 200);
}

TEST_CASE("dns server: external names are followed, inside and outside") {
  FakeUpstream upstream([](const Query& query, bool) { return address_reply(query, 60); });
  const auto server = start({upstream.address()});
  const std::string outside = ask_udp(server->port(), query_a("outside.default.svc.cluster.local"));
  CHECK(address_of(outside) == "203.0.113.7");
  CHECK(parse_reply(outside)->addresses.size() == 2);  // The CNAME first.
  CHECK(parse_reply(outside)->addresses[0].type == Type::cname);
  CHECK(address_of(ask_udp(server->port(), query_a("inside.default.svc.cluster.local"))) ==
        "10.43.0.10");
  CHECK(upstream.asked() == 1);
}

TEST_CASE("dns server: a dead or unwilling upstream is passed by") {
  FakeUpstream unwilling([](const Query& query, bool) {
    Reply reply;
    reply.rcode = Rcode::server_failure;
    return render_reply(query, reply, kUdpBytes);
  });
  FakeUpstream good([](const Query& query, bool) { return address_reply(query, 60); });
  const auto server = start({{kLoopback, 1}, unwilling.address(), good.address()});
  CHECK(address_of(ask_udp(server->port(), query_a("example.org"))) == "203.0.113.7");
  CHECK(unwilling.asked() == 1);
  server->set_upstreams({unwilling.address()});
  CHECK(parse_reply(ask_udp(server->port(), query_a("other.org")))->rcode == Rcode::server_failure);
}

TEST_CASE("dns server: forged answers are ignored") {
  FakeUpstream upstream([](const Query& query, bool) {
    static std::atomic<int> turn = 0;
    Query forged = query;
    if (turn++ % 2 == 0) forged.id ^= 1;
    return address_reply(forged, 60);
  });
  const auto server = start({upstream.address()});
  // The first answer has a wrong id: the second attempt gets the right one.
  CHECK(address_of(ask_udp(server->port(), query_a("example.org"))) == "203.0.113.7");
  CHECK(upstream.asked() == 2);
}

TEST_CASE("dns server: without upstreams, or with only itself, SERVFAIL at once") {
  const auto server = start({});
  server->set_upstreams({{kLoopback, server->port()}});
  const auto reply = parse_reply(ask_udp(server->port(), query_a("example.org")));
  REQUIRE(reply.ok());
  CHECK(reply->rcode == Rcode::server_failure);
}

TEST_CASE("dns server: no zone yet, no statement about names") {
  ServerOptions options;
  options.addresses = {kLoopback};
  options.port = 0;
  const auto server = Server::start(options, system_clock(), system_random()).value();
  const auto reply = parse_reply(ask_udp(server->port(), query_a("web.default.svc.cluster.local")));
  CHECK(reply->rcode == Rcode::server_failure);
  options.port = server->port();
  const auto taken = Server::start(options, system_clock(), system_random());
  REQUIRE_FALSE(taken.ok());
  CHECK(taken.status().message.find("127.0.0.1") != std::string::npos);
}

TEST_CASE("dns: resolv.conf") {
  const auto upstreams = parse_resolv_conf(
      "# comment\nsearch example.org\nnameserver 192.0.2.1\n nameserver\t192.0.2.2 # second\n"
      "nameserver fd00::1\nnameserver\nnameservers 192.0.2.9\noptions edns0");
  REQUIRE(upstreams.size() == 2);
  CHECK(upstreams[0] == SocketAddress{*parse_ipv4("192.0.2.1"), 53});
  CHECK(upstreams[1] == SocketAddress{*parse_ipv4("192.0.2.2"), 53});
}

TEST_CASE("dns cache: counts down, forgets in time, and stays small") {
  FakeClock clock;
  Cache cache;
  const auto put = [&](const std::string& name, uint32_t ttl_s, Rcode rcode) {
    const Query query = *parse_query(query_a(name));
    Reply reply;
    reply.rcode = rcode;
    reply.answers = {{name, Type::a, ttl_s, Ipv4{1}}};
    const std::string message = render_reply(query, reply, kUdpBytes);
    cache.store(query.question, true, message, *parse_reply(message), clock.monotonic());
  };
  const auto ttl_of = [&](const std::string& name) -> int {
    const auto found = cache.find({name, Type::a, kClassIn}, true, clock.monotonic());
    return found ? static_cast<int>(parse_reply(*found)->ttl_s) : -1;
  };
  put("a", 60, Rcode::no_error);
  put("gone", 600, Rcode::name_error);
  put("broken", 60, Rcode::server_failure);
  CHECK(ttl_of("a") == 60);
  CHECK(ttl_of("broken") == -1);
  CHECK_FALSE(cache.find({"a", Type::aaaa, kClassIn}, true, clock.monotonic()));
  CHECK_FALSE(cache.find({"a", Type::a, kClassIn}, false, clock.monotonic()));
  clock.advance(std::chrono::seconds(25));
  CHECK(ttl_of("a") == 35);
  CHECK(ttl_of("gone") == 575);
  clock.advance(std::chrono::seconds(5));
  CHECK(ttl_of("gone") == -1);
  clock.advance(std::chrono::seconds(30));
  CHECK(ttl_of("a") == -1);

  put("kept", 60, Rcode::no_error);
  for (size_t i = 0; i < kCacheEntries + 50; ++i) {
    put("n" + std::to_string(i), 60, Rcode::no_error);
    CHECK(ttl_of("kept") == 60);
  }
  CHECK(cache.size() == kCacheEntries);
  CHECK(ttl_of("n0") == -1);
}

}  // namespace
}  // namespace orch::dns
