// The server and the client against each other, over real TLS on loopback.
#include "http/server.h"

#include <catch2/catch_test_macros.hpp>
#include <thread>
#include <vector>

#include "http/http_fixture.h"

using namespace orch;
using namespace orch::http;
using namespace orch::http::test;

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
