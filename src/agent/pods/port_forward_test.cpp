// Sessions over a socket pair, into a server on the loopback interface.
#include "agent/pods/port_forward.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <thread>

#include "http/socket_duplex.h"
#include "http/spdy.h"

namespace orch::pods {
namespace {

namespace spdy = http::spdy;
constexpr int kPatienceMs = 10'000;

// The caller's end, and the session at the other.
class Caller {
 public:
  explicit Caller(DialPod dial) {
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    fd_.reset(pair[0]);
    session_ = std::thread([dial = std::move(dial), fd = pair[1]] {
      const auto wire =
          make_spdy_forward(http::carry_bare(std::make_unique<http::SocketDuplex>(UniqueFd(fd))));
      run_port_forward(*wire, dial);
    });
  }
  ~Caller() {
    fd_.reset();
    session_.join();
  }

  void say(const spdy::Frame& frame) {
    const std::string bytes = encoder_.encode(frame);
    REQUIRE(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  spdy::Frame hear() {
    for (;;) {
      auto frame = decoder_.next();
      REQUIRE(frame.ok());
      if (*frame && std::holds_alternative<spdy::WindowUpdate>(**frame)) continue;
      if (*frame) return std::move(**frame);
      pollfd waited{fd_.get(), POLLIN, 0};
      REQUIRE(::poll(&waited, 1, kPatienceMs) == 1);
      char block[4096];
      const ssize_t n = ::recv(fd_.get(), block, sizeof block, 0);
      REQUIRE(n > 0);
      decoder_.append({block, static_cast<size_t>(n)});
    }
  }
  // The error stream `id` and the data stream behind it.
  void open(uint32_t id, const std::string& port, const std::string& request) {
    say(spdy::SynStream{
        id, 0, false, {{"streamtype", "error"}, {"port", port}, {"requestid", request}}});
    CHECK(hear() == spdy::Frame(spdy::SynReply{id, false, {}}));
    say(spdy::SynStream{
        id + 2, 0, false, {{"streamtype", "data"}, {"port", port}, {"requestid", request}}});
    CHECK(hear() == spdy::Frame(spdy::SynReply{id + 2, false, {}}));
  }
  // All data of a stream, up to its end.
  std::string hear_all(uint32_t stream) {
    std::string text;
    for (;;) {
      const spdy::Frame frame = hear();
      const auto* data = std::get_if<spdy::Data>(&frame);
      if (data == nullptr || data->stream != stream) continue;
      text += data->bytes;
      if (data->fin) return text;
    }
  }

 private:
  UniqueFd fd_;
  std::thread session_;
  spdy::Encoder encoder_;
  spdy::Decoder decoder_;
};

// Listens on the loopback interface and gives every connection its bytes back.
class EchoServer {
 public:
  EchoServer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(fd_.get(), 8) == 0);
    socklen_t size = sizeof address;
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~EchoServer() {
    ::shutdown(fd_.get(), SHUT_RDWR);
    thread_.join();
  }
  uint16_t port = 0;

 private:
  void run() {
    std::vector<std::thread> echoes;
    for (;;) {
      const int fd = ::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) break;
      echoes.emplace_back([fd = UniqueFd(fd)] {
        char block[4096];
        ssize_t n = 0;
        while ((n = ::recv(fd.get(), block, sizeof block, 0)) > 0) {
          if (::send(fd.get(), block, static_cast<size_t>(n), MSG_NOSIGNAL) < 0) return;
        }
      });
    }
    for (auto& echo : echoes) echo.join();
  }
  UniqueFd fd_;
  std::thread thread_;
};

DialPod dial_loopback() {
  return [](uint16_t port) { return dial_in_netns("", port); };
}

TEST_CASE("port-forward: two connections at a time, each with its own bytes and end") {
  EchoServer echo;
  Caller caller(dial_loopback());
  const std::string port = std::to_string(echo.port);
  caller.open(1, port, "0");
  caller.open(5, port, "1");
  caller.say(spdy::Data{3, false, "first"});
  caller.say(spdy::Data{7, false, std::string(100'000, 'x')});
  caller.say(spdy::Data{7, true, ""});
  CHECK(caller.hear_all(5).empty());  // No error. (Its data has passed by.)
  caller.say(spdy::Data{3, true, " and last"});
  CHECK(caller.hear_all(1).empty());
  caller.open(9, port, "2");
  caller.say(spdy::Data{11, true, "again"});
  std::string text;
  for (bool ended = false; !ended;) {
    const spdy::Frame frame = caller.hear();
    const auto* data = std::get_if<spdy::Data>(&frame);
    if (data == nullptr || data->stream != 11) continue;
    text += data->bytes;
    ended = data->fin;
  }
  CHECK(text == "again");
}

TEST_CASE("port-forward: a refused port is told on the error stream; pings are answered") {
  uint16_t port = 0;
  { port = EchoServer().port; }
  Caller caller(dial_loopback());
  caller.say(spdy::Ping{1});
  CHECK(caller.hear() == spdy::Frame(spdy::Ping{1}));
  caller.open(1, std::to_string(port), "0");
  CHECK(caller.hear_all(1) == "error forwarding port " + std::to_string(port) +
                                  ": dial tcp4 127.0.0.1:" + std::to_string(port) +
                                  ": connect: connection refused");
}

TEST_CASE("port-forward: streams that make no sense are refused, and a reset ends a connection") {
  EchoServer echo;
  Caller caller(dial_loopback());
  caller.say(spdy::SynStream{1, 0, false, {{"streamtype", "data"}, {"port", "0"}}});
  CHECK(caller.hear() == spdy::Frame(spdy::Reset{1, 3}));
  caller.say(spdy::SynStream{3, 0, false, {{"streamtype", "x"}, {"port", "80"}}});
  CHECK(caller.hear() == spdy::Frame(spdy::Reset{3, 3}));
  caller.open(5, std::to_string(echo.port), "");  // Without a request id, as the oldest do.
  caller.say(spdy::Data{7, false, "hello"});
  CHECK(caller.hear() == spdy::Frame(spdy::Data{7, false, "hello"}));
  caller.say(spdy::Reset{7, 5});
  CHECK(caller.hear_all(5).empty());
}

TEST_CASE("port-forward: a caller that opens and then does nothing is cut off") {
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  const UniqueFd caller(pair[0]);
  const auto wire =
      make_spdy_forward(http::carry_bare(std::make_unique<http::SocketDuplex>(UniqueFd(pair[1]))));
  run_port_forward(*wire, dial_loopback(), 50);
  char byte = 0;
  CHECK(::recv(caller.get(), &byte, 1, 0) == 0);
}

TEST_CASE("port-forward: the ports that a WebSocket names") {
  CHECK(*parse_forward_ports("ports=80&ports=81,82") == std::vector<uint16_t>{80, 81, 82});
  CHECK(*parse_forward_ports("x=1&port=443") == std::vector<uint16_t>{443});
  for (const char* bad : {"", "ports=", "ports=0", "ports=65536", "ports=a", "ports=80,"}) {
    INFO(bad);
    CHECK(parse_forward_ports(bad).status().code == 400);
  }
}

}  // namespace
}  // namespace orch::pods
