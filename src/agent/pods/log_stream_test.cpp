// A file of the node's log on its way to who asked for it.
#include "agent/pods/log_stream.h"

#include <fcntl.h>
#include <stdlib.h>

#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "base/files.h"
#include "http/http_fixture.h"

namespace orch::pods {
namespace {

// A server that sends the first `size` bytes of a file of its own.
struct Sender {
  char path[32] = "/tmp/orch-log-XXXXXX";
  UniqueFd file{::mkostemp(path, O_CLOEXEC)};
  http::test::Event ended;
  std::thread sending;
  std::unique_ptr<http::Server> server;

  Sender(size_t bytes, int64_t size) {
    REQUIRE(write_all(file.get(), std::string(bytes, 'x')).ok());
    REQUIRE(::lseek(file.get(), 0, SEEK_SET) == 0);
    server = http::test::serve([this, size](const std::shared_ptr<http::Exchange>& exchange) {
      sending = std::thread([this, exchange, size] {
        send_log_file(*exchange, file.get(), size);
        ended.raise();
      });
    });
  }
  ~Sender() {
    server->stop(0);
    if (sending.joinable()) sending.join();
    CHECK(::unlink(path) == 0);
  }
};

// How many bytes came, and whether they looked whole.
std::pair<size_t, bool> read_all(http::ResponseStream& response) {
  char buffer[64 << 10];
  for (size_t count = 0;;) {
    const auto n = response.read(buffer, sizeof buffer, 20'000);
    if (!n.ok() || *n == 0) return {count, n.ok()};
    count += *n;
  }
}

TEST_CASE("a log file is sent as far as it was when it was opened") {
  Sender sender(300'000, 200'000);
  const auto response = http::test::connect(sender.server->port())->open({});
  REQUIRE(response.ok());
  CHECK(read_all(**response) == std::pair<size_t, bool>(200'000, true));
}

TEST_CASE("a log file that got shorter does not look whole") {
  Sender sender(100'000, 200'000);
  const auto response = http::test::connect(sender.server->port())->open({});
  REQUIRE(response.ok());
  CHECK_FALSE(read_all(**response).second);
}

TEST_CASE("a log file that is being sent as the node's endpoint stops does not look whole") {
  constexpr size_t kSize = 32u << 20;  // More than all that may wait on the way.
  Sender sender(kSize, kSize);
  const auto response = http::test::connect(sender.server->port())->open({});
  REQUIRE(response.ok());
  std::thread stopping([&] { sender.server->stop(20'000); });
  CHECK(sender.ended.wait());  // Nobody has read yet, so it is the stop that has ended it.
  const auto [count, whole] = read_all(**response);
  stopping.join();
  CHECK(count < kSize);
  CHECK_FALSE(whole);
}

}  // namespace
}  // namespace orch::pods
