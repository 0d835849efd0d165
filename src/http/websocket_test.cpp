// The WebSocket codec by table: what RFC 6455 gives as examples, and what it forbids.
#include "http/websocket.h"

#include <catch2/catch_test_macros.hpp>

using namespace orch;
using namespace orch::http;

namespace {

constexpr uint32_t mask = 0x37fa213d;  // The RFC's example.

// All messages of `bytes`, fed `step` bytes at a time.
Result<std::vector<WebSocketMessage>> decode(std::string_view bytes, size_t step,
                                             WebSocketRole self = WebSocketRole::server,
                                             size_t limit = 1 << 20) {
  WebSocketDecoder decoder(self, limit);
  std::vector<WebSocketMessage> messages;
  for (size_t at = 0; at < bytes.size(); at += step) {
    decoder.append(bytes.substr(at, step));
    for (;;) {
      auto next = decoder.next();
      if (!next.ok()) return next.status();
      if (!*next) break;
      messages.push_back(std::move(**next));
    }
  }
  return messages;
}

}  // namespace

TEST_CASE("the accept key is the RFC's") {
  CHECK(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_CASE("frames are encoded as in RFC 6455, 5.7") {
  CHECK(encode_frame(Opcode::text, "Hello") == "\x81\x05Hello");
  CHECK(encode_frame(Opcode::text, "Hello", mask) ==
        "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
  CHECK(encode_frame(Opcode::text, "Hel", {}, false) == "\x01\x03Hel");
  CHECK(encode_frame(Opcode::binary, std::string(256, 'x')).substr(0, 4) ==
        std::string_view("\x82\x7e\x01\x00", 4));
  CHECK(encode_frame(Opcode::binary, std::string(65536, 'x')).substr(0, 10) ==
        std::string_view("\x82\x7f\0\0\0\0\0\1\0\0", 10));
}

TEST_CASE("messages survive encoding, however they are cut") {
  for (const size_t size : {0u, 1u, 125u, 126u, 127u, 65535u, 65536u, 200000u}) {
    const std::string payload(size, 'p');
    const std::string bytes = encode_frame(Opcode::binary, payload, mask);
    for (const size_t step : {size_t{1}, size_t{7}, size_t{4096}, bytes.size()}) {
      if (step == 1 && size > 70000) continue;
      const auto messages = decode(bytes, step);
      REQUIRE(messages.ok());
      REQUIRE(messages->size() == 1);
      CHECK(messages->front().payload == payload);
    }
  }
}

TEST_CASE("fragments are joined, control frames come in between") {
  const std::string bytes = encode_frame(Opcode::text, "Hel", mask, false) +
                            encode_frame(Opcode::ping, "?", mask) +
                            encode_frame(Opcode::continuation, "lo", mask) +
                            encode_close(close_code::going_away, "bye", mask);
  const auto messages = decode(bytes, 3);
  REQUIRE(messages.ok());
  REQUIRE(messages->size() == 3);
  CHECK((*messages)[0].opcode == Opcode::ping);
  CHECK((*messages)[1].opcode == Opcode::text);
  CHECK((*messages)[1].payload == "Hello");
  CHECK((*messages)[2].close_code == 1001);
  CHECK((*messages)[2].payload == "bye");
}

TEST_CASE("what the RFC forbids ends the connection with its code") {
  struct Row {
    const char* what;
    std::string bytes;
    int code;
  };
  const Row rows[] = {
      {"unmasked from a client", encode_frame(Opcode::text, "x"), 1002},
      {"reserved bit", std::string("\xc1\x80\0\0\0\0", 6), 1002},
      {"unknown data opcode", std::string("\x83\x80\0\0\0\0", 6), 1002},
      {"unknown control opcode", std::string("\x8b\x80\0\0\0\0", 6), 1002},
      {"fragmented ping", std::string("\x09\x80\0\0\0\0", 6), 1002},
      {"long ping", std::string("\x89\xfe\x00\x7e\0\0\0\0", 8), 1002},
      {"continuation of nothing", encode_frame(Opcode::continuation, "x", mask), 1002},
      {"text within fragments",
       encode_frame(Opcode::text, "x", mask, false) + encode_frame(Opcode::text, "y", mask), 1002},
      {"16-bit length not needed", std::string("\x82\xfe\x00\x7d\0\0\0\0", 8), 1002},
      {"64-bit length not needed", std::string("\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 14), 1002},
      {"length beyond the limit",
       std::string("\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 14), 1009},
      {"text that is not UTF-8", encode_frame(Opcode::text, "\xff", mask), 1007},
      {"close with one byte", encode_frame(Opcode::close, "x", mask), 1002},
      {"close code 1005", encode_frame(Opcode::close, "\x03\xed", mask), 1002},
      {"close reason not UTF-8", encode_frame(Opcode::close, "\x03\xe8\xff", mask), 1007},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    const auto messages = decode(row.bytes, 1);
    REQUIRE(!messages.ok());
    CHECK(messages.status().code == row.code);
  }
}

TEST_CASE("the size limit counts all fragments") {
  const std::string bytes = encode_frame(Opcode::binary, std::string(60, 'x'), mask, false) +
                            encode_frame(Opcode::continuation, std::string(60, 'x'), mask);
  CHECK(decode(bytes, 5, WebSocketRole::server, 120).ok());
  CHECK(decode(bytes, 5, WebSocketRole::server, 119).status().code == 1009);
}

TEST_CASE("an upgrade request is recognized, its protocol chosen in the client's order") {
  Request request;
  request.headers.add("Upgrade", "WebSocket");
  request.headers.add("Connection", "keep-alive, Upgrade");
  request.headers.add("Sec-WebSocket-Version", "13");
  request.headers.add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
  request.headers.add("Sec-WebSocket-Protocol", "v9.unknown, v5.channel.k8s.io, v4.channel.k8s.io");
  CHECK(is_websocket_request(request));
  CHECK(choose_protocol(request, {"v4.channel.k8s.io", "v5.channel.k8s.io"}) ==
        "v5.channel.k8s.io");
  CHECK(choose_protocol(request, {"other"}).empty());
  request.headers.set("Sec-WebSocket-Key", "short");
  CHECK_FALSE(is_websocket_request(request));
}
