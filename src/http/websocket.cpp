#include "http/websocket.h"

#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "base/strings.h"

namespace orch::http {

namespace {

constexpr std::string_view accept_guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";  // RFC 6455, 1.3.
constexpr size_t max_control_payload = 125;
constexpr size_t read_chunk_bytes = 16 << 10;
constexpr int control_timeout_ms = 5'000;  // To take a pong or close; a peer that won't is dead.

bool is_control(Opcode opcode) { return static_cast<uint8_t>(opcode) >= 8; }

bool has_token(std::string_view list, std::string_view token) {
  for (const std::string_view part : split(list, ','))
    if (to_lower(trim(part)) == token) return true;
  return false;
}

// Codes that may stand in a close frame: RFC 6455, 7.4.
bool valid_close_code(uint16_t code) {
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

Status protocol_error(std::string message) {
  return Status{close_code::protocol_error, "", "websocket: " + std::move(message), {}};
}

uint64_t read_big_endian(const char* bytes, size_t count) {
  uint64_t value = 0;
  for (size_t i = 0; i < count; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

void append_big_endian(uint64_t value, size_t count, std::string* out) {
  for (size_t i = count; i-- > 0;) out->push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

}  // namespace

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + std::string(accept_guid);
  unsigned char digest[SHA_DIGEST_LENGTH];
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return base64_encode({reinterpret_cast<char*>(digest), sizeof digest});
}

bool is_websocket_request(const Request& request) {
  const Headers& headers = request.headers;
  const auto key = base64_decode(headers.get("Sec-WebSocket-Key"));
  return request.method == "GET" && has_token(headers.get("Upgrade"), "websocket") &&
         has_token(headers.get("Connection"), "upgrade") &&
         headers.get("Sec-WebSocket-Version") == "13" && key && key->size() == 16;
}

std::vector<std::string_view> offered_protocols(const Request& request) {
  std::vector<std::string_view> names;
  for (const std::string_view line : request.headers.all("Sec-WebSocket-Protocol")) {
    for (const std::string_view part : split(line, ',')) {
      const std::string_view name = trim(part);
      if (!name.empty() && !name.starts_with(kBearerProtocol)) names.push_back(name);
    }
  }
  return names;
}

Response websocket_response(const Request& request, std::string_view protocol) {
  Response response;
  response.status = 101;
  response.headers.add("Upgrade", "websocket");
  response.headers.add("Connection", "Upgrade");
  response.headers.add("Sec-WebSocket-Accept",
                       websocket_accept(request.headers.get("Sec-WebSocket-Key")));
  if (!protocol.empty()) response.headers.add("Sec-WebSocket-Protocol", std::string(protocol));
  return response;
}

std::string choose_protocol(const Request& request, const std::vector<std::string>& supported) {
  for (const std::string_view line : request.headers.all("Sec-WebSocket-Protocol"))
    for (const std::string_view offered : split(line, ','))
      for (const std::string& known : supported)
        if (trim(offered) == known) return known;
  return {};
}

std::string encode_frame(Opcode opcode, std::string_view payload, std::optional<uint32_t> mask,
                         bool final) {
  ORCH_CHECK(!is_control(opcode) || (payload.size() <= max_control_payload && final));
  std::string out;
  out.reserve(payload.size() + 14);
  out.push_back(static_cast<char>((final ? 0x80 : 0) | static_cast<uint8_t>(opcode)));
  const uint8_t mask_bit = mask ? 0x80 : 0;
  if (payload.size() <= 125) {
    out.push_back(static_cast<char>(mask_bit | payload.size()));
  } else if (payload.size() <= 0xffff) {
    out.push_back(static_cast<char>(mask_bit | 126));
    append_big_endian(payload.size(), 2, &out);
  } else {
    out.push_back(static_cast<char>(mask_bit | 127));
    append_big_endian(payload.size(), 8, &out);
  }
  if (mask) append_big_endian(*mask, 4, &out);
  const size_t start = out.size();
  out += payload;
  if (mask)
    for (size_t i = 0; i < payload.size(); ++i)
      out[start + i] = static_cast<char>(out[start + i] ^ (*mask >> (24 - 8 * (i % 4))));
  return out;
}

std::string encode_close(uint16_t code, std::string_view reason, std::optional<uint32_t> mask) {
  std::string payload;
  append_big_endian(code, 2, &payload);
  size_t length = std::min(reason.size(), max_control_payload - 2);
  while (length > 0 && !valid_utf8(reason.substr(0, length))) --length;  // Never half a character.
  payload += reason.substr(0, length);
  return encode_frame(Opcode::close, payload, mask);
}

// Decoding ------------------------------------------------------------------------------------

Result<std::optional<WebSocketDecoder::Frame>> WebSocketDecoder::parse_head() const {
  const std::string_view in = std::string_view(input_).substr(parsed_);
  if (in.size() < 2) return std::optional<Frame>();
  const auto first = static_cast<uint8_t>(in[0]), second = static_cast<uint8_t>(in[1]);
  Frame frame{(first & 0x80) != 0, static_cast<Opcode>(first & 0x0f), 2, second & 0x7fu, {}};
  const uint8_t code = first & 0x0f;
  if ((first & 0x70) != 0) return protocol_error("reserved bits are set");
  if (code > 10 || (code > 2 && code < 8)) return protocol_error("unknown opcode");
  const bool masked = (second & 0x80) != 0;
  if (masked != (self_ == WebSocketRole::server)) return protocol_error("wrong masking");
  if (is_control(frame.opcode) && (!frame.final || frame.payload_bytes > max_control_payload))
    return protocol_error("a control frame is fragmented or too long");
  const size_t extended = frame.payload_bytes == 126 ? 2 : frame.payload_bytes == 127 ? 8 : 0;
  frame.head_bytes = 2 + extended + (masked ? 4 : 0);
  if (in.size() < frame.head_bytes) return std::optional<Frame>();
  if (extended > 0) {
    frame.payload_bytes = read_big_endian(in.data() + 2, extended);
    if (frame.payload_bytes < (extended == 2 ? 126u : 0x10000u))
      return protocol_error("a length is not in its shortest form");
  }
  if (masked) std::copy_n(in.data() + 2 + extended, 4, frame.mask);
  return std::optional<Frame>(frame);
}

std::string WebSocketDecoder::take_payload(const Frame& frame) {
  const size_t size = static_cast<size_t>(frame.payload_bytes);
  std::string payload = input_.substr(parsed_ + frame.head_bytes, size);
  if (self_ == WebSocketRole::server)
    for (size_t i = 0; i < size; ++i)
      payload[i] = static_cast<char>(payload[i] ^ frame.mask[i % 4]);
  parsed_ += frame.head_bytes + size;
  // Consumed bytes go when they are the larger half, so that each byte moves once on average.
  if (parsed_ >= input_.size() / 2) {
    input_.erase(0, parsed_);
    parsed_ = 0;
  }
  return payload;
}

Result<std::optional<WebSocketMessage>> WebSocketDecoder::next() {
  if (failed_) return *failed_;
  const auto fail = [this](Status status) { return failed_.emplace(std::move(status)); };
  for (;;) {
    const Result<std::optional<Frame>> head = parse_head();
    if (!head.ok()) return fail(head.status());
    if (!*head) return std::optional<WebSocketMessage>();
    const Frame& frame = **head;
    const size_t held = fragments_ ? fragments_->payload.size() : 0;
    if (!is_control(frame.opcode)) {
      if (frame.payload_bytes > max_message_bytes_ - held)
        return fail(Status{close_code::too_big, "", "websocket: the message is too large", {}});
      if ((frame.opcode == Opcode::continuation) != fragments_.has_value())
        return fail(protocol_error("fragments out of order"));
    }
    if (input_.size() - parsed_ - frame.head_bytes < frame.payload_bytes)
      return std::optional<WebSocketMessage>();
    std::string payload = take_payload(frame);
    if (is_control(frame.opcode)) {
      auto control = finish_control(frame.opcode, std::move(payload));
      if (!control.ok()) return fail(control.status());
      return control;
    }
    if (!fragments_) fragments_ = WebSocketMessage{frame.opcode, {}, 0};
    fragments_->payload += payload;
    if (!frame.final) continue;
    std::optional<WebSocketMessage> message = std::exchange(fragments_, std::nullopt);
    if (message->opcode == Opcode::text && !valid_utf8(message->payload))
      return fail(Status{close_code::invalid_data, "", "websocket: text is not UTF-8", {}});
    return message;
  }
}

Result<std::optional<WebSocketMessage>> WebSocketDecoder::finish_control(Opcode opcode,
                                                                         std::string payload) {
  WebSocketMessage message{opcode, std::move(payload), 0};
  if (opcode != Opcode::close || message.payload.empty()) return std::optional(std::move(message));
  if (message.payload.size() == 1) return protocol_error("a close code is one byte");
  message.close_code = static_cast<uint16_t>(read_big_endian(message.payload.data(), 2));
  message.payload.erase(0, 2);
  if (!valid_close_code(message.close_code)) return protocol_error("invalid close code");
  if (!valid_utf8(message.payload))
    return Status{close_code::invalid_data, "", "websocket: close reason is not UTF-8", {}};
  return std::optional(std::move(message));
}

// The skin ------------------------------------------------------------------------------------

WebSocket::WebSocket(std::unique_ptr<Duplex> duplex, WebSocketRole self, size_t max_message_bytes,
                     Random& random)
    : duplex_(std::move(duplex)), self_(self), decoder_(self, max_message_bytes), random_(random) {}

WebSocket::~WebSocket() { close(close_code::going_away, ""); }

std::optional<uint32_t> WebSocket::new_mask() {
  if (self_ == WebSocketRole::server) return std::nullopt;
  return static_cast<uint32_t>(random_.next_u64());
}

Result<std::optional<WebSocketMessage>> WebSocket::receive() {
  for (;;) {
    if (closed_) return service_unavailable("websocket: closed");
    Result<std::optional<WebSocketMessage>> next = decoder_.next();
    if (!next.ok()) return fail(next.status());
    if (*next) {
      WebSocketMessage& message = **next;
      if (message.opcode == Opcode::pong) continue;
      if (message.opcode == Opcode::ping) {
        ORCH_TRY(answer_ping(std::move(message.payload)));
        continue;
      }
      if (message.opcode != Opcode::close) return next;
      close(message.close_code ? message.close_code : close_code::normal, "");
      return Status{0, "", "websocket: the peer closed", {}};
    }
    char buffer[read_chunk_bytes];
    const Result<size_t> n = duplex_->read_some(buffer, sizeof buffer);
    if (!n.ok() && is_eof(n.status()))
      return service_unavailable("websocket: the connection ended without a close");
    if (!n.ok()) return n.status();
    if (*n == 0) return std::optional<WebSocketMessage>();
    decoder_.append({buffer, *n});
  }
}

Result<std::optional<WebSocketMessage>> WebSocket::fail(const Status& status) {
  close(static_cast<uint16_t>(status.code), status.message);
  return bad_request(status.message);
}

// The newest ping alone is answered while the peer takes nothing (RFC 6455, 5.5.3), so that a flood
// of them costs no memory.
Result<void> WebSocket::answer_ping(std::string payload) {
  pong_ = std::move(payload);
  return flush();
}

// Half a frame may be out: nothing that follows could be understood.
Result<void> WebSocket::give_up(Result<void> failure) {
  closed_ = true;
  duplex_->close();
  return failure;
}

Result<void> WebSocket::send(Opcode opcode, std::string_view payload, int timeout_ms) {
  if (closed_) return service_unavailable("websocket: closed");
  queue(opcode, payload);
  Result<void> sent = duplex_->write_fully(output_, timeout_ms);
  if (!sent.ok()) return give_up(std::move(sent));
  output_.clear();
  return {};
}

void WebSocket::queue(Opcode opcode, std::string_view payload) {
  output_ += encode_frame(opcode, payload, new_mask());
}

Result<void> WebSocket::flush() {
  if (closed_) return service_unavailable("websocket: closed");
  size_t taken = 0;
  for (;;) {
    if (taken == output_.size()) {
      output_.clear();
      taken = 0;
      if (!pong_) return {};
      queue(Opcode::pong, *std::exchange(pong_, std::nullopt));
    }
    const Result<size_t> n = duplex_->write_some(std::string_view(output_).substr(taken));
    if (!n.ok()) return give_up(n.status());
    if (*n == 0) break;
    taken += *n;
  }
  output_.erase(0, taken);
  return {};
}

void WebSocket::close(uint16_t code, std::string_view reason) {
  if (std::exchange(closed_, true)) return;
  output_ += encode_close(code, reason, new_mask());
  // Best effort: the connection ends either way.
  [[maybe_unused]] const Result<void> sent = duplex_->write_fully(output_, control_timeout_ms);
  duplex_->close();
}

}  // namespace orch::http
