// Exec's channels on both wires, over a socket pair.
#include "agent/pods/exec_wire.h"

#include <catch2/catch_test_macros.hpp>
#include <thread>

#include "http/socket_duplex.h"
#include "http/spdy.h"
#include "http/websocket.h"

namespace orch::pods {
namespace {

namespace spdy = http::spdy;
constexpr int kPatienceMs = 10'000;

struct Ends {
  UniqueFd caller;
  std::unique_ptr<http::Duplex> ours;
};
Ends connect() {
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  return {UniqueFd(pair[0]), std::make_unique<http::SocketDuplex>(UniqueFd(pair[1]))};
}

void say(const UniqueFd& fd, const std::string& bytes) {
  REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(bytes.size()));
}

std::string hear(const UniqueFd& fd) {
  pollfd waited{fd.get(), POLLIN, 0};
  REQUIRE(::poll(&waited, 1, kPatienceMs) == 1);
  char block[64 << 10];
  const ssize_t n = ::recv(fd.get(), block, sizeof block, 0);
  return {block, static_cast<size_t>(std::max<ssize_t>(n, 0))};
}

ExecInput take(ExecWire& wire) {
  auto input = wire.receive();
  REQUIRE(input.ok());
  REQUIRE(input->has_value());
  return *std::move(*input);
}

TEST_CASE("exec over SPDY: the channels open, carry and end; others are refused") {
  Ends ends = connect();
  spdy::Encoder encoder;
  const auto open = [&](uint32_t id, const char* type) {
    return encoder.encode(spdy::SynStream{id, 0, false, {{"streamtype", type}}});
  };
  // stdin speaks before stdout is there: nothing of it is lost.
  std::string said = open(1, "error");
  said += open(3, "stdin");
  said += encoder.encode(spdy::Data{3, false, "early"});
  for (const auto& [id, type] :
       {std::pair{5, "resize"}, std::pair{7, "stdin"}, std::pair{9, "stdout"}}) {
    said += open(static_cast<uint32_t>(id), type);
  }
  say(ends.caller, said);
  auto made = make_spdy_wire(std::move(ends.ours), {kError, kStdin, kStdout}, kPatienceMs);
  REQUIRE(made.ok());
  ExecWire& wire = **made;
  CHECK(take(wire).bytes == "early");
  say(ends.caller, encoder.encode(spdy::Data{3, true, " late"}));
  const ExecInput last = take(wire);
  CHECK(last.channel == kStdin);
  CHECK(last.bytes == " late");
  CHECK(last.ended);
  wire.send(kStdout, "out");
  wire.send(kStderr, "nobody asked for this");
  wire.end(kStdout);
  REQUIRE(wire.flush().ok());
  CHECK(wire.queued() == 0);
  spdy::Decoder decoder;
  decoder.append(hear(ends.caller));
  std::vector<spdy::Frame> frames;
  while (auto frame = *decoder.next()) frames.push_back(*frame);
  CHECK(frames == std::vector<spdy::Frame>{spdy::SynReply{1, false, {}},
                                           spdy::SynReply{3, false, {}}, spdy::Reset{5, 3},
                                           spdy::Reset{7, 3}, spdy::SynReply{9, false, {}},
                                           spdy::Data{9, false, "out"}, spdy::Data{9, true, ""}});
}

TEST_CASE("exec over SPDY: a caller who never opens his streams is let go") {
  Ends ends = connect();
  CHECK(make_spdy_wire(std::move(ends.ours), {kError}, 20).status().code == 504);
  CHECK(hear(ends.caller).empty());
}

TEST_CASE("exec over SPDY: a frame that is too large ends it") {
  Ends ends = connect();
  say(ends.caller, std::string("\x00\x00\x00\x01\x00\xff\xff\xff", 8));
  CHECK(make_spdy_wire(std::move(ends.ours), {kError}, kPatienceMs).status().code == 400);
}

TEST_CASE("exec over a WebSocket: binary, text, and the end of a channel") {
  struct Row {
    const char* protocol;
    http::Opcode opcode;
    const char *said, *heard;
  };
  for (const Row& row : {Row{"v5.channel.k8s.io", http::Opcode::binary,
                             "\x01"
                             "out",
                             "\x01"
                             "out"},
                         Row{"base64.channel.k8s.io", http::Opcode::text, "1b3V0", "1b3V0"}}) {
    INFO(row.protocol);
    Ends ends = connect();
    const auto wire = make_websocket_wire(std::move(ends.ours), row.protocol, kStdout);
    say(ends.caller, http::encode_frame(row.opcode, row.said, 7));
    const ExecInput input = take(*wire);
    CHECK(input.channel == kStdout);
    CHECK(input.bytes == "out");
    wire->send(kStdout, "out");
    REQUIRE(wire->flush().ok());
    http::WebSocketDecoder decoder(http::WebSocketRole::client, 1000);
    decoder.append(hear(ends.caller));
    REQUIRE(decoder.next().ok());  // That the streams are there.
    const auto message = decoder.next();
    REQUIRE((message.ok() && message->has_value()));
    CHECK((*message)->payload == row.heard);
  }
  Ends ends = connect();
  const auto wire = make_websocket_wire(std::move(ends.ours), "v5.channel.k8s.io", kStdout);
  say(ends.caller, http::encode_frame(http::Opcode::binary, std::string("\xff\x00", 2), 7));
  CHECK(take(*wire).ended);
}

TEST_CASE("exec over a WebSocket: a flood of pings that nobody hears answered costs no memory") {
  Ends ends = connect();
  const auto wire = make_websocket_wire(std::move(ends.ours), "v5.channel.k8s.io", kStdout);
  const std::string ping = http::encode_frame(http::Opcode::ping, std::string(125, 'p'), 7);
  for (int i = 0; i < 20'000; ++i) {
    const ssize_t n = ::send(ends.caller.get(), ping.data(), ping.size(), MSG_NOSIGNAL);
    REQUIRE(n == static_cast<ssize_t>(ping.size()));
    REQUIRE(wire->receive().ok());
    REQUIRE(wire->queued() < 1 << 20);
  }
}

}  // namespace
}  // namespace orch::pods
