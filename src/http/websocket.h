// WebSocket (RFC 6455): the codec, which is pure, and a small skin that speaks it over a Duplex.
//
// Used by exec, attach and port-forward. No extensions. Strict: reserved bits, unknown opcodes,
// wrong masking, overlong lengths, broken fragmentation and bad UTF-8 in text end the connection
// with the close code that the RFC names.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "http/http.h"

namespace orch::http {

enum class Opcode : uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10
};

enum class WebSocketRole { server, client };  // Clients mask what they send, servers must not.

namespace close_code {
inline constexpr uint16_t normal = 1000, going_away = 1001, protocol_error = 1002,
                          invalid_data = 1007, too_big = 1009, internal_error = 1011;
}

// The Sec-WebSocket-Accept that answers a Sec-WebSocket-Key.
std::string websocket_accept(std::string_view key);
// Whether the request asks for a WebSocket that we can give.
bool is_websocket_request(const Request& request);
// What Sec-WebSocket-Protocol offers, in order, less a bearer token: browsers, who can set no
// header, show theirs there, behind this prefix (Kubernetes' way).
inline constexpr std::string_view kBearerProtocol = "base64url.bearer.authorization.k8s.io.";
std::vector<std::string_view> offered_protocols(const Request& request);
// The 101 for it. `protocol`: the chosen one of Sec-WebSocket-Protocol, or "".
Response websocket_response(const Request& request, std::string_view protocol);
// One of `supported`, in the client's order of preference; "" when none.
std::string choose_protocol(const Request& request, const std::vector<std::string>& supported);

// One whole frame. `mask` for the client's side: 32 random bits.
std::string encode_frame(Opcode opcode, std::string_view payload, std::optional<uint32_t> mask = {},
                         bool final = true);
std::string encode_close(uint16_t code, std::string_view reason, std::optional<uint32_t> mask = {});

// A message, put together from its fragments, or one control frame.
struct WebSocketMessage {
  Opcode opcode = Opcode::binary;  // Never continuation.
  std::string payload;
  uint16_t close_code = 0;  // With close: what the peer said, 0 when nothing.
};

// Bytes in, messages out. After an error it gives the same error again.
class WebSocketDecoder {
 public:
  // `self`: whose bytes these are NOT; a server's decoder demands masked frames.
  WebSocketDecoder(WebSocketRole self, size_t max_message_bytes)
      : self_(self), max_message_bytes_(max_message_bytes) {}

  void append(std::string_view bytes) { input_.append(bytes); }
  // Nothing: more bytes are needed. The Status's code is the close code to send (1002, 1007, 1009).
  Result<std::optional<WebSocketMessage>> next();

 private:
  struct Frame {
    bool final;
    Opcode opcode;
    size_t head_bytes;
    uint64_t payload_bytes;
    unsigned char mask[4];
  };
  Result<std::optional<Frame>> parse_head() const;
  Result<std::optional<WebSocketMessage>> finish_control(Opcode opcode, std::string payload);
  std::string take_payload(const Frame& frame);

  const WebSocketRole self_;
  const size_t max_message_bytes_;
  std::string input_;
  size_t parsed_ = 0;  // Of input_.
  std::optional<WebSocketMessage> fragments_;
  std::optional<Status> failed_;
};

// A WebSocket over a Duplex, for one thread. Answers pings and closes by itself.
class WebSocket {
 public:
  WebSocket(std::unique_ptr<Duplex> duplex, WebSocketRole self, size_t max_message_bytes,
            Random& random);
  ~WebSocket();

  int fd() const { return duplex_->fd(); }
  // The next text or binary message, if one is here: never waits. A Status ends it; is_eof() when
  // the peer closed in good order. Call until it gives nothing before polling fd() for POLLIN.
  Result<std::optional<WebSocketMessage>> receive();
  // Sends a whole message, waiting at most `timeout_ms` for the peer to take it.
  Result<void> send(Opcode opcode, std::string_view payload, int timeout_ms);
  // The same without waiting: the message waits in a queue, which flush() empties as far as the
  // peer takes it. Whoever queues looks at queued(), and polls for POLLOUT while it isn't 0.
  void queue(Opcode opcode, std::string_view payload);
  size_t queued() const { return output_.size(); }
  Result<void> flush();
  // Says why and closes; what is queued may take a moment. Idempotent.
  void close(uint16_t code, std::string_view reason);

 private:
  std::optional<uint32_t> new_mask();
  Result<std::optional<WebSocketMessage>> fail(const Status& status);
  Result<void> answer_ping(std::string payload);
  Result<void> give_up(Result<void> failure);

  std::unique_ptr<Duplex> duplex_;
  std::string output_;               // Frames the peer has not taken yet.
  std::optional<std::string> pong_;  // Is owed once output_ has left.
  const WebSocketRole self_;
  WebSocketDecoder decoder_;
  Random& random_;
  bool closed_ = false;
};

}  // namespace orch::http
