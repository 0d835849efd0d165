#include "http/spdy.h"

#include <zlib.h>

#include <algorithm>

#include "base/check.h"
#include "http/spdy_dictionary.h"

namespace orch::http::spdy {
namespace {

constexpr size_t kHeadBytes = 8;
constexpr uint16_t kVersion = 3;
constexpr uint8_t kFin = 1;
constexpr uint32_t kIdMask = 0x7fffffff;  // Stream ids and windows have 31 bits.
constexpr size_t kMaxHeaders = 256;
constexpr size_t kMaxSettings = 64;

enum Type : uint16_t {
  kSynStream = 1,
  kSynReply = 2,
  kRstStream = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kHeaders = 8,
  kWindowUpdate = 9,
};

uint32_t number(std::string_view bytes, size_t at, size_t size) {
  uint32_t value = 0;
  for (size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  return value;
}

std::string big_endian(uint32_t value, size_t size = 4) {
  std::string bytes;
  for (size_t i = size; i-- > 0;) bytes += static_cast<char>(value >> 8 * i);
  return bytes;
}

std::string control(Type type, uint8_t flags, const std::string& body) {
  ORCH_CHECK(body.size() <= kMaxFrameBytes);
  return big_endian(0x8000 | kVersion, 2) + big_endian(type, 2) + big_endian(flags, 1) +
         big_endian(static_cast<uint32_t>(body.size()), 3) + body;
}

const Bytef* bytes_of(const std::string& text) {
  return reinterpret_cast<const Bytef*>(text.data());
}

Status malformed(const char* what) { return bad_request(std::string("SPDY: malformed ") + what); }

}  // namespace

std::string_view header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

// ---- Decoder ----

struct Decoder::Inflater {
  z_stream stream{};

  Inflater() { ORCH_CHECK(::inflateInit(&stream) == Z_OK); }
  ~Inflater() { ::inflateEnd(&stream); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  Result<std::string> unpack(std::string_view packed) {
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
    stream.avail_in = static_cast<uInt>(packed.size());
    std::string text;
    char block[4096];
    for (;;) {
      stream.next_out = reinterpret_cast<Bytef*>(block);
      stream.avail_out = sizeof block;
      int result = ::inflate(&stream, Z_SYNC_FLUSH);
      if (result == Z_NEED_DICT) {
        const std::string dictionary = compression_dictionary();
        result = ::inflateSetDictionary(&stream, bytes_of(dictionary),
                                        static_cast<uInt>(dictionary.size()));
        if (result == Z_OK) continue;
      }
      // Z_BUF_ERROR: nothing is left to do. The stream itself never ends.
      if (result != Z_OK && result != Z_BUF_ERROR) return malformed("compression");
      text.append(block, sizeof block - stream.avail_out);
      if (text.size() > kMaxHeaderBytes) return bad_request("SPDY: headers too large");
      if (stream.avail_out > 0) return text;
    }
  }
};

Decoder::Decoder() = default;
Decoder::~Decoder() = default;

void Decoder::append(std::string_view bytes) {
  if (!failed_) input_ += bytes;
}

Result<std::optional<Frame>> Decoder::next() {
  while (!failed_) {
    const std::string_view rest = std::string_view(input_).substr(parsed_);
    if (rest.size() < kHeadBytes) break;
    const size_t length = number(rest, 5, 3);
    if (length > kMaxFrameBytes) {
      failed_ = bad_request("SPDY: frame too large");
      break;
    }
    if (rest.size() < kHeadBytes + length) break;
    const auto flags = static_cast<uint8_t>(rest[4]);
    const std::string_view body = rest.substr(kHeadBytes, length);
    Result<std::optional<Frame>> frame = std::optional<Frame>();
    if ((rest[0] & 0x80) == 0) {
      const uint32_t stream = number(rest, 0, 4);
      if (stream == 0) frame = malformed("DATA");
      if (stream != 0) frame = Frame(Data{stream, (flags & kFin) != 0, std::string(body)});
    } else if ((number(rest, 0, 2) & 0x7fff) != kVersion) {
      frame = bad_request("SPDY: another version than 3");
    } else {
      frame = parse_control(static_cast<uint16_t>(number(rest, 2, 2)), flags, body);
    }
    parsed_ += kHeadBytes + length;
    if (!frame.ok()) failed_ = frame.status();
    if (frame.ok() && frame->has_value()) return frame;
  }
  // What was parsed goes all at once, not frame by frame.
  input_.erase(0, parsed_);
  parsed_ = 0;
  if (failed_) return *failed_;
  return std::optional<Frame>();
}

Result<std::optional<Frame>> Decoder::parse_control(uint16_t type, uint8_t flags,
                                                    std::string_view body) {
  const bool fin = (flags & kFin) != 0;
  const auto id = [&](size_t at) { return number(body, at, 4) & kIdMask; };
  switch (type) {
    case kSynStream: {
      if (body.size() < 10 || id(0) == 0) return malformed("SYN_STREAM");
      Headers headers = ORCH_TRY(parse_headers(body.substr(10)));
      return Frame(SynStream{id(0), id(4), fin, std::move(headers)});
    }
    case kSynReply:
    case kHeaders: {
      const bool is_reply = type == kSynReply;
      if (body.size() < 4 || id(0) == 0) return malformed(is_reply ? "SYN_REPLY" : "HEADERS");
      Headers headers = ORCH_TRY(parse_headers(body.substr(4)));
      if (is_reply) return Frame(SynReply{id(0), fin, std::move(headers)});
      return Frame(MoreHeaders{id(0), fin, std::move(headers)});
    }
    case kRstStream:
      if (body.size() != 8 || id(0) == 0) return malformed("RST_STREAM");
      return Frame(Reset{id(0), number(body, 4, 4)});
    case kSettings: {
      const size_t count = body.size() < 4 ? kMaxSettings + 1 : number(body, 0, 4);
      if (count > kMaxSettings || body.size() != 4 + 8 * count) return malformed("SETTINGS");
      Settings settings;
      for (size_t at = 4; at < body.size(); at += 8) {  // One byte of flags, then the id.
        settings.values.emplace_back(number(body, at + 1, 3), number(body, at + 4, 4));
      }
      return Frame(std::move(settings));
    }
    case kPing:
      if (body.size() != 4) return malformed("PING");
      return Frame(Ping{number(body, 0, 4)});
    case kGoAway:
      if (body.size() != 8) return malformed("GOAWAY");
      return Frame(GoAway{id(0), number(body, 4, 4)});
    case kWindowUpdate:
      if (body.size() != 8 || id(4) == 0) return malformed("WINDOW_UPDATE");
      return Frame(WindowUpdate{id(0), id(4)});
    default:
      return std::optional<Frame>();
  }
}

Result<Headers> Decoder::parse_headers(std::string_view packed) {
  if (!inflater_) inflater_ = std::make_unique<Inflater>();
  const std::string text = ORCH_TRY(inflater_->unpack(packed));
  std::string_view rest = text;
  const auto take_number = [&](uint32_t* value) {
    if (rest.size() < 4) return false;
    *value = number(rest, 0, 4);
    rest.remove_prefix(4);
    return true;
  };
  const auto take_text = [&](std::string* value) {
    uint32_t size = 0;
    if (!take_number(&size) || size > rest.size()) return false;
    value->assign(rest.substr(0, size));
    rest.remove_prefix(size);
    return true;
  };
  uint32_t count = 0;
  if (!take_number(&count) || count > kMaxHeaders) return malformed("header block");
  Headers headers(count);
  for (auto& [name, value] : headers) {
    if (!take_text(&name) || name.empty() || !take_text(&value)) return malformed("header block");
  }
  if (!rest.empty()) return malformed("header block");
  return headers;
}

// ---- Encoder ----

struct Encoder::Deflater {
  z_stream stream{};

  Deflater() {
    ORCH_CHECK(::deflateInit(&stream, Z_BEST_SPEED) == Z_OK);
    const std::string dictionary = compression_dictionary();
    ::deflateSetDictionary(&stream, bytes_of(dictionary), static_cast<uInt>(dictionary.size()));
  }
  ~Deflater() { ::deflateEnd(&stream); }
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  std::string pack(const std::string& text) {
    stream.next_in = const_cast<Bytef*>(bytes_of(text));
    stream.avail_in = static_cast<uInt>(text.size());
    std::string packed;
    char block[4096];
    do {
      stream.next_out = reinterpret_cast<Bytef*>(block);
      stream.avail_out = sizeof block;
      const int result = ::deflate(&stream, Z_SYNC_FLUSH);
      ORCH_CHECK(result == Z_OK || result == Z_BUF_ERROR);
      packed.append(block, sizeof block - stream.avail_out);
    } while (stream.avail_out == 0);
    return packed;
  }
};

Encoder::Encoder() = default;
Encoder::~Encoder() = default;

std::string Encoder::pack_headers(const Headers& headers) {
  std::string text = big_endian(static_cast<uint32_t>(headers.size()));
  for (const auto& [name, value] : headers) {
    text += big_endian(static_cast<uint32_t>(name.size())) + name;
    text += big_endian(static_cast<uint32_t>(value.size())) + value;
  }
  ORCH_CHECK(text.size() <= kMaxHeaderBytes);
  if (!deflater_) deflater_ = std::make_unique<Deflater>();
  return deflater_->pack(text);
}

std::string Encoder::encode(const Frame& frame) {
  const auto fin = [](bool on) { return static_cast<uint8_t>(on ? kFin : 0); };
  if (const auto* syn = std::get_if<SynStream>(&frame)) {
    return control(kSynStream, fin(syn->fin),
                   big_endian(syn->stream) + big_endian(syn->associated) + big_endian(0, 2) +
                       pack_headers(syn->headers));
  }
  if (const auto* reply = std::get_if<SynReply>(&frame)) {
    return control(kSynReply, fin(reply->fin),
                   big_endian(reply->stream) + pack_headers(reply->headers));
  }
  if (const auto* more = std::get_if<MoreHeaders>(&frame)) {
    return control(kHeaders, fin(more->fin),
                   big_endian(more->stream) + pack_headers(more->headers));
  }
  if (const auto* reset = std::get_if<Reset>(&frame)) {
    return control(kRstStream, 0, big_endian(reset->stream) + big_endian(reset->status));
  }
  if (const auto* data = std::get_if<Data>(&frame)) {
    ORCH_CHECK(data->bytes.size() <= kMaxFrameBytes);
    return big_endian(data->stream & kIdMask) + big_endian(fin(data->fin), 1) +
           big_endian(static_cast<uint32_t>(data->bytes.size()), 3) + data->bytes;
  }
  if (const auto* settings = std::get_if<Settings>(&frame)) {
    std::string body = big_endian(static_cast<uint32_t>(settings->values.size()));
    for (const auto& [id, value] : settings->values) body += big_endian(id) + big_endian(value);
    return control(kSettings, 0, body);
  }
  if (const auto* ping = std::get_if<Ping>(&frame)) return control(kPing, 0, big_endian(ping->id));
  if (const auto* away = std::get_if<GoAway>(&frame)) {
    return control(kGoAway, 0, big_endian(away->last_stream) + big_endian(away->status));
  }
  const auto& update = std::get<WindowUpdate>(frame);
  return control(kWindowUpdate, 0, big_endian(update.stream) + big_endian(update.delta));
}

}  // namespace orch::http::spdy
