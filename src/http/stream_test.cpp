// What goes on after the head: streams with fast, slow and vanishing readers, and upgrades.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>
#include <vector>

#include "http/http_fixture.h"
#include "http/websocket.h"

using namespace orch;
using namespace orch::http;
using namespace orch::http::test;

namespace {

constexpr size_t backlog_limit = 1 << 20;

// Hands the stream of the first request to the test.
struct StreamTaker {
  std::shared_ptr<Stream> stream;
  Event started, closed;

  void operator()(const std::shared_ptr<Exchange>& exchange) {
    stream = exchange->start_stream({}, backlog_limit, [this] { closed.raise(); });
    started.raise();
  }
};

std::string read_exactly(ResponseStream& stream, size_t size) {
  std::string text(size, '\0');
  size_t done = 0;
  while (done < size) {
    const auto n = stream.read(text.data() + done, size - done, 10'000);
    if (!n.ok() || *n == 0) break;
    done += *n;
  }
  text.resize(done);
  return text;
}

}  // namespace

TEST_CASE("pieces of a stream arrive as they are written, then its end; the connection lives on") {
  StreamTaker taker;
  const auto server = serve(std::ref(taker));
  const auto client = connect(server->port());
  for (int round = 0; round < 2; ++round) {
    auto response = client->open({});
    REQUIRE(response.ok());
    REQUIRE(taker.started.wait());
    for (int i = 0; i < 20; ++i) {
      const std::string event = "event " + std::to_string(i) + "\n";
      REQUIRE(taker.stream->write(event));
      CHECK(read_exactly(**response, event.size()) == event);
    }
    CHECK(taker.stream->wait_for_backlog(0));  // The reader may have been faster than the count.
    taker.stream->close();
    CHECK_FALSE(taker.stream->write("late"));
    char byte;
    CHECK((*response)->read(&byte, 1, 10'000).value() == 0);
  }
  CHECK_FALSE(taker.closed.wait(0));
}

TEST_CASE("events written by many threads arrive whole") {
  StreamTaker taker;
  const auto server = serve(std::ref(taker));
  const auto client = connect(server->port());
  auto response = client->open({});
  REQUIRE(response.ok());
  REQUIRE(taker.started.wait());
  std::vector<std::thread> writers;
  for (int i = 0; i < 4; ++i)
    writers.emplace_back([&, i] {
      for (int n = 0; n < 500; ++n) taker.stream->write(std::string(9, static_cast<char>('a' + i)));
    });
  const std::string all = read_exactly(**response, 4 * 500 * 9);
  for (std::thread& writer : writers) writer.join();
  REQUIRE(all.size() == 4 * 500 * 9);
  for (size_t at = 0; at < all.size(); at += 9)
    REQUIRE(all.substr(at, 9) == std::string(9, all[at]));
}

TEST_CASE("a reader that does not read is cut off, never waited for") {
  StreamTaker taker;
  const auto server = serve(std::ref(taker));
  const auto client = connect(server->port());
  const auto response = client->open({});
  REQUIRE(response.ok());
  REQUIRE(taker.started.wait());
  const std::string piece(64 << 10, 'x');
  int written = 0;
  while (written < 10'000 && taker.stream->write(piece)) ++written;
  CHECK(written < 10'000);
  CHECK(taker.closed.wait());
  CHECK_FALSE(taker.stream->write("more"));
}

TEST_CASE("a writer may wait for its reader, or for its end") {
  StreamTaker taker;
  const auto server = serve(std::ref(taker));
  const auto client = connect(server->port());
  auto response = client->open({});
  REQUIRE(response.ok());
  REQUIRE(taker.started.wait());
  constexpr size_t total = 32 << 20;
  std::thread writer([&] {
    const std::string piece(64 << 10, 'x');
    for (size_t sent = 0; sent < total; sent += piece.size()) {
      if (!taker.stream->wait_for_backlog(backlog_limit / 2)) return;
      if (!taker.stream->write(piece)) return;
    }
  });
  CHECK(read_exactly(**response, total).size() == total);
  writer.join();
  CHECK(taker.stream->wait_for_backlog(0));
  // Now nobody reads: the wait ends with the reader.
  std::thread stuck([&] {
    while (taker.stream->write(std::string(64 << 10, 'x'))) {
      if (!taker.stream->wait_for_backlog(backlog_limit / 2)) return;
    }
  });
  response = Status{};
  CHECK(taker.closed.wait());
  stuck.join();
}

TEST_CASE("a reader that stalls is cut off after the write timeout") {
  StreamTaker taker;
  ServerOptions options = server_options();
  options.write_timeout_s = 1;
  const auto server = serve(std::ref(taker), options);
  RawClient client(server->port());
  client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(taker.started.wait());
  // One piece of any size may wait: more than the kernel's buffers take.
  REQUIRE(taker.stream->write(std::string(32 << 20, 'x')));
  CHECK(taker.closed.wait());
}

TEST_CASE("the end of a silent stream's reader is noticed") {
  StreamTaker taker;
  const auto server = serve(std::ref(taker));
  {
    const auto client = connect(server->port());
    const auto response = client->open({});
    REQUIRE(response.ok());
    REQUIRE(taker.started.wait());
    CHECK_FALSE(taker.closed.wait(0));
  }
  CHECK(taker.closed.wait());
  CHECK_FALSE(taker.stream->write("x"));
}

TEST_CASE("cancel ends a waiting read") {
  StreamTaker taker;
  const auto server = serve(std::ref(taker));
  const auto client = connect(server->port());
  const auto response = client->open({});
  REQUIRE(response.ok());
  std::thread canceller([&] { (*response)->cancel(); });
  char byte;
  CHECK_FALSE((*response)->read(&byte, 1, -1).ok());
  CHECK_FALSE((*response)->read(&byte, 1, -1).ok());
  canceller.join();
}

TEST_CASE("stop ends streams in good order and tells their writers") {
  StreamTaker taker;
  const auto server = serve(std::ref(taker));
  const auto client = connect(server->port());
  const auto response = client->open({});
  REQUIRE(response.ok());
  REQUIRE(taker.started.wait());
  REQUIRE(taker.stream->write("last"));
  server->stop(10'000);
  CHECK(taker.closed.wait(0));
  CHECK(read_exactly(**response, 4) == "last");
  char byte;
  CHECK((*response)->read(&byte, 1, 10'000).value() == 0);
}

TEST_CASE("a stream outlives its server harmlessly") {
  StreamTaker taker;
  auto server = serve(std::ref(taker));
  const auto client = connect(server->port());
  const auto response = client->open({});
  REQUIRE(response.ok());
  REQUIRE(taker.started.wait());
  server.reset();
  CHECK_FALSE(taker.stream->write("x"));
  taker.stream->close();
}

TEST_CASE("a stream that its writer breaks off does not look whole") {
  StreamTaker taker;
  const auto server = serve(std::ref(taker));
  const auto client = connect(server->port());
  const auto response = client->open({});
  REQUIRE(response.ok());
  REQUIRE(taker.started.wait());
  REQUIRE(taker.stream->write("half"));
  taker.stream->abort();
  taker.stream->close();
  CHECK_FALSE(taker.stream->write("late"));
  CHECK(read_exactly(**response, 4) == "half");
  char byte;
  CHECK_FALSE((*response)->read(&byte, 1, 10'000).ok());
  CHECK_FALSE(taker.closed.wait(0));
  // The next request has a connection of its own.
  CHECK(client->open({}).ok());
}

TEST_CASE("an HTTP/1.0 stream that is broken off ends without TLS's word for a good end") {
  for (const bool whole : {true, false}) {
    const auto server = serve([whole](const std::shared_ptr<Exchange>& exchange) {
      const auto stream = exchange->start_stream({}, backlog_limit, nullptr);
      stream->write("half");
      if (whole) return stream->close();
      stream->abort();
    });
    RawClient client(server->port());
    client.say("GET / HTTP/1.0\r\n\r\n");
    CHECK(client.hear_all().ends_with("\r\n\r\nhalf"));
    CHECK(client.closed_well() == whole);
  }
}

TEST_CASE("stop lets a writer break its stream off") {
  std::shared_ptr<Stream> stream;
  Event started;
  const auto server = serve([&](const std::shared_ptr<Exchange>& exchange) {
    stream = exchange->start_stream({}, backlog_limit, [&] { stream->abort(); });
    started.raise();
  });
  const auto client = connect(server->port());
  const auto response = client->open({});
  REQUIRE(response.ok());
  REQUIRE(started.wait());
  server->stop(10'000);
  char byte;
  CHECK_FALSE((*response)->read(&byte, 1, 10'000).ok());
}

TEST_CASE("HTTP/1.0 streams end with the connection, unchunked") {
  const auto server = serve([](const std::shared_ptr<Exchange>& exchange) {
    const auto stream = exchange->start_stream({}, backlog_limit, nullptr);
    stream->write("one ");
    stream->write("two");
    stream->close();
  });
  RawClient client(server->port());
  client.say("GET / HTTP/1.0\r\n\r\n");
  CHECK(client.hear_all().ends_with("\r\n\r\none two"));
}

namespace {

// Echoes messages until the peer closes.
void echo_websocket(const std::shared_ptr<Exchange>& exchange) {
  Response head = websocket_response(exchange->request(), "");
  auto run = [](std::unique_ptr<Duplex> duplex) {
    WebSocket socket(std::move(duplex), WebSocketRole::server, 1 << 20, system_random());
    for (;;) {
      const auto message = socket.receive();
      if (!message.ok()) return;
      if (*message) {
        if (!socket.send((*message)->opcode, (*message)->payload, 10'000).ok()) return;
        continue;
      }
      pollfd waiting{socket.fd(), POLLIN, 0};
      ::poll(&waiting, 1, -1);
    }
  };
  exchange->upgrade(std::move(head), std::move(run));
}

Request websocket_request() {
  Request request;
  request.headers.add("Upgrade", "websocket");
  request.headers.add("Connection", "Upgrade");
  request.headers.add("Sec-WebSocket-Version", "13");
  request.headers.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  return request;
}

Result<WebSocketMessage> next_message(WebSocket& socket) {
  for (;;) {
    auto message = socket.receive();
    if (!message.ok()) return message.status();
    if (*message) return std::move(**message);
    pollfd waiting{socket.fd(), POLLIN, 0};
    if (::poll(&waiting, 1, 10'000) <= 0) return gateway_timeout("no message");
  }
}

}  // namespace

TEST_CASE("an upgraded connection carries a WebSocket both ways") {
  const auto server = serve(echo_websocket);
  const auto client = connect(server->port());
  auto upgraded = client->upgrade(websocket_request());
  REQUIRE(upgraded.ok());
  REQUIRE(upgraded->head.status == 101);
  CHECK(upgraded->head.headers.get("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  WebSocket socket(std::move(upgraded->duplex), WebSocketRole::client, 1 << 20, system_random());
  for (const size_t size : {0u, 1u, 200u, 70'000u, 1u << 20}) {
    const std::string payload(size, 'w');
    REQUIRE(socket.send(Opcode::binary, payload, 10'000).ok());
    const auto answer = next_message(socket);
    REQUIRE(answer.ok());
    CHECK(answer->payload == payload);
  }
  REQUIRE(socket.send(Opcode::ping, "p", 10'000).ok());
  REQUIRE(socket.send(Opcode::text, "after", 10'000).ok());
  CHECK(next_message(socket)->payload == "after");
  REQUIRE(socket.send(Opcode::close, std::string("\x03\xe8", 2), 10'000).ok());
  const auto end = next_message(socket);
  REQUIRE(!end.ok());
  CHECK(is_eof(end.status()));
}

TEST_CASE("upgrades are bounded, and stop ends them") {
  ServerOptions options = server_options();
  options.max_upgrades = 1;
  const auto server = serve(echo_websocket, options);
  const auto client = connect(server->port());
  auto first = client->upgrade(websocket_request());
  REQUIRE(first.ok());
  REQUIRE(first->head.status == 101);
  const auto second = client->upgrade(websocket_request());
  REQUIRE(second.ok());
  CHECK(second->head.status == 429);
  CHECK(second->duplex == nullptr);
  server->stop(1000);
  WebSocket socket(std::move(first->duplex), WebSocketRole::client, 1 << 20, system_random());
  CHECK_FALSE(next_message(socket).ok());
}
