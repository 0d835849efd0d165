// Bodies that are longer than what a server holds: read while they come, and sent on.
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "base/check.h"
#include "base/clock.h"
#include "http/forwarder.h"
#include "http/http_fixture.h"
#include "http/render.h"

using namespace orch;
using namespace orch::http;
using namespace orch::http::test;

namespace {

constexpr size_t kLong = 8u << 20;

ServerOptions streaming_options() {
  ServerOptions options = server_options();
  options.max_body_bytes = 64u << 10;
  options.streams_body = [](const Request& head) { return head.target == "/long"; };
  return options;
}

std::string pattern(size_t size) {
  std::string text(size, '\0');
  for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 31 + i / 251);
  return text;
}

// All of a request's body, or what went wrong.
Result<std::string> whole_body(const Request& request) {
  std::string body = request.body;
  while (request.rest) {
    const std::string piece = ORCH_TRY(request.rest->read(10'000));
    if (piece.empty()) break;
    body += piece;
  }
  return body;
}

// Reads each body on a thread of its own and answers with it; `last` is how the last one ended.
struct Reader {
  std::vector<std::thread> threads;
  Event may_read, began, ended;
  std::atomic<int> code{-1};

  ~Reader() {
    for (std::thread& thread : threads) thread.join();
  }
  void operator()(const std::shared_ptr<Exchange>& exchange) {
    began.raise();
    threads.emplace_back([this, exchange] {
      may_read.wait();
      auto body = whole_body(exchange->request());
      code = body.ok() ? 0 : body.status().code;
      ended.raise();
      if (body.ok()) exchange->send(Response{200, {}, Body(*std::move(body))});
    });
  }
};

Request long_request(std::string body) {
  Request request;
  request.method = "POST";
  request.target = "/long";
  request.body = std::move(body);
  return request;
}

std::string chunk(std::string_view bytes) {
  return render_chunk_head(bytes.size()) + std::string(bytes) + std::string(chunk_tail);
}

constexpr const char* kChunkedHead =
    "POST /long HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

}  // namespace

TEST_CASE("a long body is read while it comes, and the connection lives on") {
  Reader reader;
  reader.may_read.raise();
  const auto server = serve(std::ref(reader), streaming_options());
  const auto client = connect(server->port());
  const std::string body = pattern(kLong);
  for (int round = 0; round < 2; ++round) {
    const auto answer = client->send(long_request(body));
    REQUIRE(answer.ok());
    CHECK(answer->status == 200);
    CHECK((answer->body.flatten() == body));
  }
}

TEST_CASE("a long body in chunks says nothing of its length") {
  Reader reader;
  reader.may_read.raise();
  const auto server = serve(std::ref(reader), streaming_options());
  RawClient client(server->port());
  const std::string piece = pattern(100'000);
  REQUIRE(client.say(kChunkedHead));
  for (int i = 0; i < 20; ++i) REQUIRE(client.say(chunk(piece)));
  REQUIRE(client.say(last_chunk));
  const std::string head = client.hear("\r\n\r\n");
  CHECK(head.find("Content-Length: 2000000\r\n") != head.npos);
}

TEST_CASE("who sends a long body is held back while nobody reads it") {
  Reader reader;
  const auto server = serve(std::ref(reader), streaming_options());
  const auto client = connect(server->port());
  const std::string body = pattern(16u << 20);
  Event sent;
  std::thread sender([&] {
    RawClient raw(server->port());
    raw.say("POST /long HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
            "\r\n\r\n");
    for (size_t at = 0; at < body.size(); at += 1u << 20)
      if (!raw.say(std::string_view(body).substr(at, 1u << 20))) break;
    sent.raise();
    raw.hear("\r\n\r\n");
  });
  REQUIRE(reader.began.wait());
  CHECK_FALSE(sent.wait(500));
  reader.may_read.raise();
  CHECK(sent.wait(60'000));  // Under a checker, too.
  CHECK(reader.ended.wait(60'000));
  CHECK(reader.code == 0);
  sender.join();
}

TEST_CASE("a long body that breaks off, or is malformed, does not look whole") {
  Reader reader;
  reader.may_read.raise();
  const auto server = serve(std::ref(reader), streaming_options());
  RawClient client(server->port());
  REQUIRE(client.say(kChunkedHead + chunk(std::string(300'000, 'x'))));
  REQUIRE(reader.began.wait());
  SECTION("malformed") { REQUIRE(client.say("not a number\r\n")); }
  SECTION("broken off") { client = RawClient(server->port()); }
  CHECK(reader.ended.wait());
  CHECK(reader.code == 503);
}

TEST_CASE("only those who may send long bodies are let") {
  Reader reader;
  reader.may_read.raise();
  const auto server = serve(std::ref(reader), streaming_options());
  Request request = long_request(pattern(100'000));
  request.target = "/other";
  CHECK(connect(server->port())->send(request)->status == 413);
}

TEST_CASE("an answer may come before the end of a long body") {
  const auto server = serve(
      [](const std::shared_ptr<Exchange>& exchange) {
        exchange->send(Response{403, {}, "no"});
      },
      streaming_options());
  RawClient client(server->port());
  REQUIRE(client.say(kChunkedHead + chunk(std::string(300'000, 'x'))));
  const std::string answer = client.hear("no");
  CHECK(answer.find(" 403 ") != answer.npos);
  CHECK(answer.find("Connection: close") != answer.npos);
}

namespace {

// A server that hands all on to `port`, as the API server does.
struct Proxy {
  Forwarder forwarder{4};
  uint16_t port;
  explicit Proxy(uint16_t to) : port(to) {}

  void operator()(const std::shared_ptr<Exchange>& exchange) {
    Forward forward;
    forward.exchange = exchange;
    forward.request = onward_request(exchange->request(), exchange->request().target);
    forward.server = client_options(port);
    forward.fail = [](const Status& why) { return Response{why.code, {}, why.message}; };
    static_cast<void>(forwarder.run(std::move(forward)));  // Not run: it answers 500.
  }
};

}  // namespace

TEST_CASE("a forwarder sends long bodies on, whole or not at all") {
  Reader reader;
  reader.may_read.raise();
  const auto far = serve(std::ref(reader), streaming_options());
  Proxy proxy(far->port());
  const auto near = serve(std::ref(proxy), streaming_options());
  const std::string body = pattern(kLong);
  SECTION("of a length") {
    const auto answer = connect(near->port())->send(long_request(body));
    REQUIRE(answer.ok());
    CHECK((answer->body.flatten() == body));
  }
  SECTION("in chunks") {
    RawClient client(near->port());
    REQUIRE(client.say(kChunkedHead));
    REQUIRE(client.say(chunk(body)));
    REQUIRE(client.say(last_chunk));
    CHECK(client.hear("\r\n\r\n").find(" 200 ") != std::string::npos);
  }
  SECTION("broken off") {
    {
      RawClient client(near->port());
      REQUIRE(client.say(kChunkedHead + chunk(std::string(300'000, 'x'))));
      REQUIRE(reader.began.wait());
    }
    CHECK(reader.ended.wait());
    CHECK(reader.code == 503);
  }
}

// It waited until the far end was late: five minutes for a proxied request.
TEST_CASE("a forwarder that stops does not wait for a far end that says nothing") {
  Event asked;
  std::shared_ptr<Exchange> silent;
  const auto far = serve([&](const std::shared_ptr<Exchange>& exchange) {
    silent = exchange;
    asked.raise();
  });
  Proxy proxy(far->port());
  const auto near = serve(std::ref(proxy));
  std::jthread caller([&] {
    const auto answer = connect(near->port())->send({});
    ORCH_CHECK(answer.ok() && answer->status == 503);
  });
  REQUIRE(asked.wait());
  const MonoTime before = system_clock().monotonic();
  proxy.forwarder.stop();
  CHECK(system_clock().monotonic() - before < std::chrono::seconds(30));
  caller.join();
  silent.reset();
}

TEST_CASE("an answer that breaks off at the far end breaks off here, too") {
  const auto far = serve([](const std::shared_ptr<Exchange>& exchange) {
    const auto stream = exchange->start_stream({}, 1 << 20, nullptr);
    stream->write("half");
    stream->abort();
  });
  Proxy proxy(far->port());
  const auto near = serve(std::ref(proxy));
  const auto client = connect(near->port());
  const auto response = client->open({});
  REQUIRE(response.ok());
  std::string heard;
  char buffer[64];
  for (;;) {
    const auto n = (*response)->read(buffer, sizeof buffer, 10'000);
    CHECK((!n.ok() || *n > 0));  // Never an end as if all were well.
    if (!n.ok() || *n == 0) break;
    heard.append(buffer, *n);
  }
  CHECK(heard == "half");
}
