#include "http/pump.h"

#include <catch2/catch_test_macros.hpp>
#include <random>
#include <thread>

#include "http/socket_duplex.h"

namespace orch::http {
namespace {

constexpr int kPatienceMs = 10'000;

// Two connections with a pump between them; `a` and `b` are their outer ends.
class Pumped {
 public:
  explicit Pumped(int idle_ms = kPatienceMs) {
    auto [outer_a, inner_a] = pair();
    auto [outer_b, inner_b] = pair();
    a = std::move(outer_a);
    b = std::move(outer_b);
    thread_ = std::thread([idle_ms, x = inner_a.release(), y = inner_b.release()] {
      SocketDuplex near{UniqueFd(x)}, far{UniqueFd(y)};
      run_pump(near, far, idle_ms);
    });
  }
  ~Pumped() {
    a.reset();
    b.reset();
    thread_.join();
  }
  UniqueFd a, b;

 private:
  static std::pair<UniqueFd, UniqueFd> pair() {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
  }
  std::thread thread_;
};

bool wait_for(int fd, short events) {
  pollfd waited{fd, events, 0};
  return ::poll(&waited, 1, kPatienceMs) == 1;
}

std::string read_to_end(int fd, size_t step) {
  std::string all, block(step, '\0');
  while (wait_for(fd, POLLIN)) {
    const ssize_t n = ::recv(fd, block.data(), block.size(), 0);
    if (n <= 0) break;
    all.append(block, 0, static_cast<size_t>(n));
  }
  return all;
}

TEST_CASE("pump: all that was sent arrives, though the sender has gone and the reader is slow") {
  for (const uint32_t seed : {1U, 2U, 3U}) {
    std::mt19937 random(seed);
    std::string sent(1'500'000, '\0');
    for (char& c : sent) c = static_cast<char>(random());
    Pumped pumped;
    std::thread writer([&] {
      for (size_t at = 0; at < sent.size();) {
        const size_t size = std::min<size_t>(sent.size() - at, 1 + random() % 70'000);
        const ssize_t n = ::send(pumped.a.get(), sent.data() + at, size, MSG_NOSIGNAL);
        if (n <= 0) return;
        at += static_cast<size_t>(n);
      }
      pumped.a.reset();
    });
    const std::string got = read_to_end(pumped.b.get(), 1 + seed * 999);
    writer.join();
    CHECK(got == sent);
  }
}

TEST_CASE("pump: who doesn't read holds up who writes, at a bound") {
  Pumped pumped;
  const std::string block(64 << 10, 'x');
  size_t taken = 0;
  // Until nothing was taken for a moment: then all buffers on the way are full.
  for (pollfd room{pumped.a.get(), POLLOUT, 0}; ::poll(&room, 1, 200) == 1;) {
    const ssize_t n =
        ::send(pumped.a.get(), block.data(), block.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) taken += static_cast<size_t>(n);
    REQUIRE(taken < 8 << 20);
  }
  // The other way is free.
  REQUIRE(::send(pumped.b.get(), "y", 1, MSG_NOSIGNAL) == 1);
  char byte = 0;
  REQUIRE(wait_for(pumped.a.get(), POLLIN));
  CHECK(::recv(pumped.a.get(), &byte, 1, 0) == 1);
  pumped.a.reset();
  CHECK(read_to_end(pumped.b.get(), 64 << 10).size() == taken);
}

TEST_CASE("pump: a pair on which nothing moves is cut off") {
  Pumped pumped(50);
  CHECK(read_to_end(pumped.a.get(), 100).empty());
  CHECK(read_to_end(pumped.b.get(), 100).empty());
}

}  // namespace
}  // namespace orch::http
