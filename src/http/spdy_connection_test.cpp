#include "http/spdy_connection.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <map>
#include <random>

namespace orch::http::spdy {
namespace {

// The other end, which keeps its windows to the letter and fails when they are overrun.
class Peer {
 public:
  explicit Peer(Connection& connection) : connection_(connection) {}

  void say(const Frame& frame) { connection_.append(encoder_.encode(frame)); }
  // Everything that the connection wants to send.
  std::vector<Frame> hear() {
    decoder_.append(connection_.take_output());
    std::vector<Frame> frames;
    for (;;) {
      auto next = decoder_.next();
      REQUIRE(next.ok());
      if (!*next) return frames;
      frames.push_back(std::move(**next));
    }
  }

 private:
  Connection& connection_;
  Encoder encoder_;
  Decoder decoder_;
};

template <typename T>
T expect_event(Connection& connection) {
  auto event = connection.next();
  REQUIRE(event.ok());
  REQUIRE(event->has_value());
  REQUIRE(std::holds_alternative<T>(**event));
  return std::get<T>(std::move(**event));
}

void expect_nothing(Connection& connection) {
  const auto event = connection.next();
  REQUIRE(event.ok());
  CHECK_FALSE(event->has_value());
}

TEST_CASE("spdy connection: a stream opens, carries and ends") {
  Connection connection(4);
  Peer peer(connection);
  peer.say(SynStream{1, 0, false, {{"streamtype", "stdin"}}});
  CHECK(expect_event<Connection::Opened>(connection).headers.front().second == "stdin");
  connection.accept(1);
  peer.say(Data{1, true, "hello"});
  const auto received = expect_event<Connection::Received>(connection);
  CHECK(received.bytes == "hello");
  CHECK(received.fin);
  connection.write(1, "answer", true);
  CHECK(peer.hear() == std::vector<Frame>{SynReply{1, false, {}}, Data{1, true, "answer"}});
  CHECK_FALSE(connection.is_open(1));
  CHECK(connection.room(1) == 0);
  connection.write(1, "late", false);
  CHECK(peer.hear().empty());
}

TEST_CASE("spdy connection: what breaks the rules of streams is reset") {
  Connection connection(1);
  Peer peer(connection);
  peer.say(SynStream{2, 0, false, {}});
  peer.say(SynStream{3, 0, false, {}});
  peer.say(SynStream{1, 0, false, {}});
  peer.say(SynStream{5, 0, false, {}});
  peer.say(Data{9, false, "x"});
  CHECK(expect_event<Connection::Opened>(connection).stream == 3);
  expect_nothing(connection);
  CHECK(peer.hear() == std::vector<Frame>{Reset{2, 1}, Reset{1, 1}, Reset{5, 3}, Reset{9, 2}});
  peer.say(Data{1, false, "of a stream that has gone"});
  peer.say(Reset{3, 5});
  CHECK(expect_event<Connection::Aborted>(connection).stream == 3);
  expect_nothing(connection);
  CHECK(peer.hear().empty());
}

TEST_CASE("spdy connection: a peer without windows is sent to without waiting for any") {
  Connection connection(1);
  Peer peer(connection);
  peer.say(SynStream{1, 0, false, {}});
  (void)expect_event<Connection::Opened>(connection);
  for (int i = 0; i < 8; ++i) {
    REQUIRE(connection.room(1) == kMaxFrameBytes);
    connection.write(1, std::string(kInitialWindow, 'x'), false);
  }
  CHECK(peer.hear().size() == 8);
}

TEST_CASE("spdy connection: what was consumed is told, for the stream and for the connection") {
  Connection connection(1);
  Peer peer(connection);
  peer.say(SynStream{1, 0, false, {}});
  (void)expect_event<Connection::Opened>(connection);
  connection.consumed(1, kInitialWindow / 2 - 1);
  CHECK(peer.hear().empty());
  connection.consumed(1, 1);
  CHECK(peer.hear() == std::vector<Frame>{WindowUpdate{0, kInitialWindow / 2},
                                          WindowUpdate{1, kInitialWindow / 2}});
}

// Three streams with windows of a few bytes, which change on the way; the peer reads when it likes.
void play(uint64_t seed) {
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return random() % n; };
  Connection connection(3);
  Peer peer(connection);
  peer.say(Settings{{{kSettingInitialWindow, static_cast<uint32_t>(1 + below(40))}}});
  struct Stream {
    std::string left, got;
    int64_t window = 0;
    bool ended = false;
  };
  std::map<uint32_t, Stream> streams;
  for (uint32_t id = 1; id <= 5; id += 2) peer.say(SynStream{id, 0, false, {}});
  for (uint32_t id = 1; id <= 5; id += 2) {
    (void)expect_event<Connection::Opened>(connection);
    for (size_t i = below(300); i > 0; --i) streams[id].left += static_cast<char>(below(256));
    streams[id].window = static_cast<int64_t>(connection.room(id));
  }
  auto sent = streams;
  int64_t in_all = kInitialWindow;
  const auto open = [&] {
    for (const auto& [id, stream] : sent)
      if (!stream.ended) return true;
    return false;
  };
  for (int step = 0; open(); ++step) {
    REQUIRE(step < 100'000);
    const auto id = static_cast<uint32_t>(1 + 2 * below(3));
    Stream& stream = sent[id];
    if (below(2) == 0 && !stream.ended) {  // The peer reads, and tells so.
      const auto grown = static_cast<uint32_t>(1 + below(20));
      stream.window += grown;
      peer.say(WindowUpdate{id, grown});
    } else if (below(20) == 0) {
      const auto grown = static_cast<uint32_t>(1 + below(20));
      in_all += grown;
      peer.say(WindowUpdate{0, grown});
    }
    expect_nothing(connection);
    const size_t size = std::min({connection.room(id), stream.left.size(), size_t(below(50))});
    const bool fin = size == stream.left.size();
    if (!stream.ended && (size > 0 || fin)) {
      connection.write(id, stream.left.substr(0, size), fin);
      stream.left.erase(0, size);
    }
    for (const Frame& frame : peer.hear()) {
      const auto& data = std::get<Data>(frame);
      Stream& of = sent[data.stream];
      of.window -= static_cast<int64_t>(data.bytes.size());
      in_all -= static_cast<int64_t>(data.bytes.size());
      REQUIRE(of.window >= 0);
      REQUIRE(in_all >= 0);
      of.got += data.bytes;
      of.ended = data.fin;
    }
  }
  for (const auto& [id, stream] : streams) CHECK(sent[id].got == stream.left);
}

TEST_CASE("spdy connection: windows are never overrun, and all arrives") {
  for (uint64_t seed = 0; seed < 200; ++seed) play(seed);
}

TEST_CASE("spdy connection: a smaller window counts what is under way") {
  Connection connection(1);
  Peer peer(connection);
  peer.say(Settings{{{kSettingInitialWindow, 100}}});
  peer.say(SynStream{1, 0, false, {}});
  (void)expect_event<Connection::Opened>(connection);
  connection.write(1, std::string(80, 'x'), false);
  peer.say(Settings{{{kSettingInitialWindow, 50}}});
  expect_nothing(connection);
  CHECK(connection.room(1) == 0);
  peer.say(WindowUpdate{1, 35});
  expect_nothing(connection);
  CHECK(connection.room(1) == 5);
}

}  // namespace
}  // namespace orch::http::spdy
