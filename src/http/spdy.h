// SPDY/3.1 framing: the codec, which is pure. kubectl's port-forward speaks it, inside a WebSocket
// or on a connection of its own.
//
// Bytes in, frames out, and the other way round. Header blocks are compressed with zlib and the
// dictionary of the specification; one compression context lasts as long as the connection, so a
// decoder and an encoder belong to one connection each. Follows draft-mbelshe-httpbis-spdy-00.
//
// Windows and the states of streams are spdy_connection.h's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace orch::http::spdy {

inline constexpr size_t kMaxFrameBytes = 1 << 20;    // One frame's payload.
inline constexpr size_t kMaxHeaderBytes = 64 << 10;  // A header block, unpacked.

using Headers = std::vector<std::pair<std::string, std::string>>;  // Names in lower case.

enum class ResetStatus : uint32_t {
  protocol_error = 1,
  invalid_stream = 2,
  refused_stream = 3,
  cancel = 5,
  internal_error = 6,
  flow_control_error = 7,
};

struct SynStream {
  uint32_t stream = 0, associated = 0;
  bool fin = false;
  Headers headers;
  bool operator==(const SynStream&) const = default;
};
struct SynReply {
  uint32_t stream = 0;
  bool fin = false;
  Headers headers;
  bool operator==(const SynReply&) const = default;
};
struct MoreHeaders {  // HEADERS
  uint32_t stream = 0;
  bool fin = false;
  Headers headers;
  bool operator==(const MoreHeaders&) const = default;
};
struct Reset {  // RST_STREAM
  uint32_t stream = 0, status = 0;
  bool operator==(const Reset&) const = default;
};
struct Data {
  uint32_t stream = 0;
  bool fin = false;
  std::string bytes;
  bool operator==(const Data&) const = default;
};
struct Settings {
  std::vector<std::pair<uint32_t, uint32_t>> values;  // By id.
  bool operator==(const Settings&) const = default;
};
inline constexpr uint32_t kSettingInitialWindow = 7;
struct Ping {
  uint32_t id = 0;
  bool operator==(const Ping&) const = default;
};
struct GoAway {
  uint32_t last_stream = 0, status = 0;
  bool operator==(const GoAway&) const = default;
};
struct WindowUpdate {
  uint32_t stream = 0, delta = 0;
  bool operator==(const WindowUpdate&) const = default;
};
using Frame = std::variant<SynStream, SynReply, MoreHeaders, Reset, Data, Settings, Ping, GoAway,
                           WindowUpdate>;

// The value of `name` (lower case), or "".
std::string_view header(const Headers& headers, std::string_view name);

class Decoder {
 public:
  Decoder();
  ~Decoder();
  void append(std::string_view bytes);
  // Nothing: more bytes are needed. An error (400) is for good: the compression is out of step.
  // Frames of unknown kinds are skipped, as the specification wants.
  Result<std::optional<Frame>> next();

 private:
  struct Inflater;
  Result<std::optional<Frame>> parse_control(uint16_t type, uint8_t flags, std::string_view body);
  Result<Headers> parse_headers(std::string_view packed);

  std::string input_;
  size_t parsed_ = 0;  // Of input_.
  std::unique_ptr<Inflater> inflater_;
  std::optional<Status> failed_;
};

class Encoder {
 public:
  Encoder();
  ~Encoder();
  // REQUIRES: Data of at most kMaxFrameBytes, headers of at most kMaxHeaderBytes.
  std::string encode(const Frame& frame);

 private:
  struct Deflater;
  std::string pack_headers(const Headers& headers);

  std::unique_ptr<Deflater> deflater_;
};

}  // namespace orch::http::spdy
