// Requests and answers: the server and the client against each other over real TLS on loopback,
// and the server against clients that say what they like.
#include "http/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "http/gzip.h"
#include "http/holding.h"
#include "http/http_fixture.h"

using namespace orch;
using namespace orch::http;
using namespace orch::http::test;

namespace {

constexpr std::string_view head_end = "\r\n\r\n";

bool starts_with_status(const std::string& answer, int status) {
  return answer.starts_with("HTTP/1.1 " + std::to_string(status) + " ");
}

}  // namespace

TEST_CASE("a request reaches the handler and its answer the client, many times a connection") {
  const auto server = serve(echo);
  const auto client = connect(server->port());
  for (int i = 0; i < 50; ++i) {
    Request request;
    request.method = i % 2 ? "POST" : "GET";
    request.target = "/path?n=" + std::to_string(i);
    if (i % 2) request.body = std::string(static_cast<size_t>(i) * 1000, 'x');
    const Result<Response> answer = client->send(request);
    REQUIRE(answer.ok());
    CHECK(answer->status == 200);
    CHECK(answer->headers.get("x-method") == request.method);
    CHECK(answer->body.flatten() == request.target + "\n" + request.body);
  }
}

TEST_CASE("a large body of many pieces arrives whole") {
  const std::string piece(100'001, 'p');
  std::string expected;
  for (int i = 0; i < 100; ++i) expected += piece + std::to_string(i);
  const auto server = serve([&](std::shared_ptr<Exchange> exchange) {
    Response response;
    for (int i = 0; i < 100; ++i) {
      response.body.append_shared(nullptr, piece);
      response.body.append(std::to_string(i));
    }
    exchange->send(std::move(response));
  });
  const auto answer = connect(server->port())->send({});
  REQUIRE(answer.ok());
  CHECK(answer->body.flatten() == expected);
}

TEST_CASE("200 connections at once, answered from other threads") {
  std::vector<std::thread> answerers;
  std::mutex mutex;
  const auto server = serve([&](std::shared_ptr<Exchange> exchange) {
    const std::lock_guard lock(mutex);
    answerers.emplace_back([exchange = std::move(exchange)]() mutable { echo(exchange); });
  });
  std::atomic<int> good{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 200; ++i) {
    callers.emplace_back([&, i] {
      Request request;
      request.target = "/" + std::to_string(i);
      const auto answer = connect(server->port())->send(request);
      if (answer.ok() && answer->body.flatten() == request.target + "\n") ++good;
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (std::thread& answerer : answerers) answerer.join();
  CHECK(good == 200);
}

TEST_CASE("requests beyond the limits are refused by name, and the connection ends") {
  ServerOptions options = server_options();
  options.max_body_bytes = 1000;
  options.max_header_bytes = 4096;
  const auto server = serve(echo, options);
  const std::string huge(8000, 'h');
  struct Row {
    const char* what;
    std::string request;
    int status;
  };
  const Row rows[] = {
      {"body by length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413},
      {"body by chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
       413},
      {"header", "GET / HTTP/1.1\r\nHost: a\r\nX: " + huge + "\r\n\r\n", 431},
      {"target", "GET /" + huge + " HTTP/1.1\r\nHost: a\r\n\r\n", 431},
      {"endless chunk line",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;" + huge, 400},
      {"garbage", "\x16\x03\x01\r\n\r\n", 400},
      {"no host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400},
      {"length and chunked",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
       400},
      {"two lengths",
       "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
      {"unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501},
      {"chunked is not last",
       "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 501},
      {"unknown expectation", "GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n", 417},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    RawClient client(server->port());
    client.say(row.request);
    const std::string answer = client.hear_all();
    INFO(answer);
    CHECK(starts_with_status(answer, row.status));
    CHECK(answer.find("Connection: close") != answer.npos);
    CHECK(client.closed());
  }
}

TEST_CASE("a refused client that goes on sending still gets its answer") {
  ServerOptions options = server_options();
  options.max_body_bytes = 1000;
  const auto server = serve(echo, options);
  Request request;
  request.method = "POST";
  request.body = std::string(4 << 20, 'x');
  const auto answer = connect(server->port())->send(request);
  REQUIRE(answer.ok());
  CHECK(answer->status == 413);
}

TEST_CASE("bodies may come in chunks, requests in one packet or one byte at a time") {
  const auto server = serve(echo);
  RawClient client(server->port());
  const std::string chunked =
      "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: t\r\n\r\n";
  client.say(chunked + "GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string answers = client.hear("/next\n");
  CHECK(answers.find("/c\nhello world") != answers.npos);
  CHECK(answers.find("/next\n") != answers.npos);
  for (const char byte : chunked) client.say({&byte, 1});
  CHECK(client.hear("world").find("/c\nhello world") != std::string::npos);
}

TEST_CASE("a client that waits for 100 Continue gets it") {
  const auto server = serve(echo);
  RawClient client(server->port());
  client.say("POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(client.hear(head_end) == "HTTP/1.1 100 Continue\r\n\r\n");
  client.say("hi");
  CHECK(client.hear("hi").ends_with("/e\nhi"));
}

TEST_CASE("HEAD has a length and no body, 204 has neither, HTTP/1.0 ends the connection") {
  const auto server = serve([](std::shared_ptr<Exchange> exchange) {
    if (exchange->request().target == "/204") return exchange->send({204, {}, {}});
    echo(std::move(exchange));
  });
  RawClient client(server->port());
  client.say("HEAD /h HTTP/1.1\r\nHost: a\r\n\r\nGET /204 HTTP/1.1\r\nHost: a\r\n\r\n");
  const std::string answers = client.hear("No Content\r\n\r\n");
  CHECK(answers.find("Content-Length: 3\r\n\r\nHTTP/1.1 204") != answers.npos);
  client.say("GET /old HTTP/1.0\r\n\r\n");
  CHECK(client.hear_all().ends_with("/old\n"));
  CHECK(client.closed());
}

TEST_CASE("no header value of ours can split a response") {
  const auto server = serve([](std::shared_ptr<Exchange> exchange) {
    Response response;
    response.headers.add("X-Name", "a\r\nSet-Cookie: b");
    exchange->send(std::move(response));
  });
  const auto answer = connect(server->port())->send({});
  REQUIRE(answer.ok());
  CHECK(answer->headers.get("X-Name") == "aSet-Cookie: b");
  CHECK_FALSE(answer->headers.has("Set-Cookie"));
}

// A TCP connection on which nothing is said.
UniqueFd dial(uint16_t port) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

bool is_closed_by_peer(int fd) {
  pollfd waiting{fd, POLLIN, 0};
  if (poll(&waiting, 1, 5'000) != 1) return false;
  char byte;
  return recv(fd, &byte, 1, 0) <= 0;
}

TEST_CASE("slow requests end with 408, idle connections quietly") {
  ServerOptions options = server_options();
  options.request_timeout_s = 1;
  options.idle_timeout_s = 1;
  options.handshake_timeout_s = 1;
  const auto server = serve(echo, options);
  RawClient slow(server->port()), idle(server->port());
  slow.say("GET / HTTP/1.1\r\nHo");
  CHECK(starts_with_status(slow.hear_all(), 408));
  CHECK(idle.hear_all().empty());
  CHECK(idle.closed());
}

TEST_CASE("of half-open handshakes the oldest is given up for the newest") {
  ServerOptions options = server_options();
  options.max_handshakes = 4;
  options.threads = 1;  // Else connections begin in no order.
  const auto server = serve(echo, options);
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 8; ++i) silent.push_back(dial(server->port()));
  for (int i = 0; i < 4; ++i) CHECK(is_closed_by_peer(silent[i].get()));
  CHECK(connect(server->port())->send({}).ok());
}

TEST_CASE("bodies that are being sent cost so much together and no more, small ones always go") {
  ServerOptions options = server_options();
  options.max_held_bytes = 1u << 20;
  Event holds;
  std::shared_ptr<Exchange> held;
  const auto server = serve(
      [&](std::shared_ptr<Exchange> exchange) {
        if (exchange->request().target != "/held") return echo(std::move(exchange));
        held = std::move(exchange);
        holds.raise();
      },
      options);
  const auto head = [](const std::string& target) {
    return "POST " + target + " HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";
  };
  // All of it is there, before another comes: of two on their way at once both may be refused.
  RawClient first(server->port()), second(server->port());
  REQUIRE(first.say(head("/held") + std::string(1'000'000, 'a')));
  REQUIRE(holds.wait());
  // So little that nothing of it is unread when it is refused.
  REQUIRE(second.say(head("/") + std::string(kFreeHoldingBytes + 4096, 'a')));
  const std::string refusal = second.hear(head_end);
  CHECK(starts_with_status(refusal, 429));
  CHECK(refusal.find("Retry-After: 1") != refusal.npos);
  Request small;
  small.method = "POST";
  small.body = std::string(kFreeHoldingBytes, 's');
  const auto answer = connect(server->port())->send(small);
  REQUIRE(answer.ok());
  CHECK(answer->status == 200);
  echo(std::exchange(held, nullptr));
  CHECK(starts_with_status(first.hear(head_end), 200));
}

TEST_CASE("who asks for too much takes no room from another, not even for a moment") {
  HoldingSum sum(4 * kFreeHoldingBytes);
  std::atomic<bool> done{false};
  int granted = 0, refused = 0;
  std::thread greedy([&] {
    Holding holding(sum);
    for (int i = 0; i < 1'000'000; ++i) granted += holding.resize(5 * kFreeHoldingBytes) ? 1 : 0;
    done = true;
  });
  Holding modest(sum);
  while (!done) {
    refused += modest.resize(2 * kFreeHoldingBytes) ? 0 : 1;
    modest.resize(0);
  }
  greedy.join();
  CHECK(granted == 0);
  CHECK(refused == 0);
}

// More than the kernel's buffers take.
constexpr size_t large_answer = 32u << 20;

std::string ask(RawClient& client, const std::string& target) {
  client.say("GET " + target + " HTTP/1.1\r\nHost: a\r\n\r\n");
  return client.hear(head_end);
}

TEST_CASE("answers that nobody reads cost so much together, and what is shared costs nothing") {
  ServerOptions options = server_options();
  options.max_held_bytes = large_answer + large_answer / 2;
  const std::shared_ptr<const std::string> shared =
      std::make_shared<std::string>(large_answer, 's');
  const auto answer = [&](std::shared_ptr<Exchange> exchange) {
    const std::string& target = exchange->request().target;
    Response response;
    if (target == "/shared") response.body.append_shared(shared, *shared);
    if (target == "/own") response.body.append(std::string(large_answer, 'o'));
    exchange->send(std::move(response));
  };
  const auto server = serve(answer, options);
  RawClient stopped(server->port()), second(server->port()), reader(server->port());
  CHECK(starts_with_status(ask(stopped, "/own"), 200));  // And never reads on.
  CHECK(starts_with_status(ask(second, "/own"), 429));
  CHECK(starts_with_status(ask(reader, "/shared"), 200));
  CHECK(connect(server->port())->send({})->status == 200);
}

TEST_CASE("a reader that stops is cut off, and what it held is free") {
  ServerOptions options = server_options();
  options.max_held_bytes = large_answer + large_answer / 2;
  options.write_timeout_s = 1;
  Event cut_off;
  const auto answer = [&](std::shared_ptr<Exchange> exchange) {
    const std::shared_ptr<std::string> own(new std::string(large_answer, 'o'),
                                           [&](std::string* text) {
                                             delete text;
                                             cut_off.raise();
                                           });
    Response response;
    response.body.append_shared(own, *own);
    exchange->send(std::move(response));
  };
  const auto server = serve(answer, options);
  RawClient stopped(server->port());
  CHECK(starts_with_status(ask(stopped, "/"), 200));
  REQUIRE(cut_off.wait());
  RawClient next(server->port());
  CHECK(starts_with_status(ask(next, "/"), 200));
}

TEST_CASE("a reader that dribbles is given up when the whole should be there") {
  ServerOptions options = server_options();
  options.write_timeout_s = 1;
  options.min_bytes_per_s = 64u << 20;
  const size_t whole = 64u << 20;
  const auto server = serve(
      [&](std::shared_ptr<Exchange> exchange) {
        Response response;
        response.body.append(std::string(whole, 'x'));
        exchange->send(std::move(response));
      },
      options);
  RawClient client(server->port());
  client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  // A piece now and then: never a reader that stopped, yet it would take minutes.
  size_t heard = 0;
  for (int i = 0; i < 40; ++i) {
    heard += client.hear_some(64u << 10).size();
    poll(nullptr, 0, 100);
  }
  heard += client.hear_all().size();
  CHECK(client.closed());
  CHECK(heard < whole);
}

TEST_CASE("a dropped exchange answers 500") {
  const auto server = serve([](const std::shared_ptr<Exchange>&) {});
  const auto answer = connect(server->port())->send({});
  REQUIRE(answer.ok());
  CHECK(answer->status == 500);
}

TEST_CASE("connections beyond the limit are closed, and places become free again") {
  ServerOptions options = server_options();
  options.max_connections = 1;
  const auto server = serve(echo, options);
  {
    const auto first = connect(server->port());
    REQUIRE(first->send({}).ok());
    CHECK_FALSE(connect(server->port())->send({}).ok());
  }
  bool served = false;
  for (int i = 0; i < 1000 && !served; ++i) served = connect(server->port())->send({}).ok();
  CHECK(served);
}

TEST_CASE("stop waits for answers under way and takes no more requests") {
  Event arrived, go_on;
  std::thread answerer;
  auto server = serve([&](std::shared_ptr<Exchange> exchange) {
    answerer = std::thread([&, exchange = std::move(exchange)]() mutable {
      arrived.raise();
      go_on.wait();
      echo(std::move(exchange));
    });
  });
  const uint16_t port = server->port();
  Result<Response> answer = internal_error("not asked");
  std::thread caller([&] { answer = connect(port)->send({}); });
  REQUIRE(arrived.wait());
  std::thread stopper([&] { server->stop(10'000); });
  go_on.raise();
  stopper.join();
  caller.join();
  answerer.join();
  REQUIRE(answer.ok());
  CHECK(answer->status == 200);
  CHECK_FALSE(connect(port)->send({}).ok());
}

TEST_CASE("stop does not wait for ever, and late answers go nowhere") {
  std::shared_ptr<Exchange> kept;
  Event arrived;
  auto server = serve([&](std::shared_ptr<Exchange> exchange) {
    kept = std::move(exchange);
    arrived.raise();
  });
  RawClient client(server->port());
  client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  REQUIRE(arrived.wait());
  server->stop(50);
  server.reset();
  kept->send({});
  CHECK(client.hear_all().empty());
  CHECK(client.closed());
}

TEST_CASE("stop while many clients are busy") {
  auto server = serve(echo);
  const uint16_t port = server->port();
  std::atomic<int> answered{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i) {
    callers.emplace_back([&] {
      const auto client = connect(port);
      while (client->send({}).ok()) ++answered;
    });
  }
  while (answered < 100) std::this_thread::yield();
  server->stop(1000);
  for (std::thread& caller : callers) caller.join();
  CHECK(answered >= 100);
}

TEST_CASE("a port in use is named") {
  const auto server = serve(echo);
  ServerOptions options = server_options();
  options.port = server->port();
  const auto second = Server::start(options, echo);
  REQUIRE(!second.ok());
  CHECK(second.status().message.find("127.0.0.1:" + std::to_string(server->port())) !=
        std::string::npos);
  CHECK(second.status().message.find("in use") != std::string::npos);
}

TEST_CASE("gzip shrinks, gunzip restores within its limit and refuses the rest") {
  const std::string text(1 << 20, 'g');
  const std::string packed = gzip(text);
  CHECK(packed.size() < text.size() / 50);
  CHECK(gunzip(packed, text.size()).value() == text);
  CHECK(gunzip(packed, text.size() - 1).status().code == 413);
  CHECK(gunzip(packed.substr(0, packed.size() - 1), text.size()).status().code == 400);
  CHECK(gunzip(packed + "x", text.size()).status().code == 400);
  CHECK(gunzip("plain", 100).status().code == 400);
  CHECK(gunzip(gzip(""), 0).value().empty());
}
