// A SPDY/3.1 connection, PURE, as the end that is called: bytes in, events out, and what is to be
// sent piles up until take_output(). Exec, attach and port-forward run on it.
//
// Windows hold back-pressure a stream at a time. The clients of Kubernetes (moby/spdystream) keep
// none: they send no WINDOW_UPDATE and obey none, so a sender who waited for one would wait for
// ever. So we always tell what was consumed, and obey the peer's windows from the moment at which
// it shows that it keeps any (by SETTINGS or WINDOW_UPDATE); all that was sent before counts. Other
// peers are held by the connection: its owner reads no more than it has room for, and looks at
// output_bytes() before it sends more. Follows draft-mbelshe-httpbis-spdy-00 sections 2.3
// and 2.6.8.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "http/spdy.h"

namespace orch::http::spdy {

inline constexpr int64_t kInitialWindow = 64 << 10;

class Connection {
 public:
  // More open streams than that are refused.
  explicit Connection(size_t max_streams) : max_streams_(max_streams) {}

  struct Opened {
    uint32_t stream = 0;
    bool fin = false;
    Headers headers;
  };
  struct Received {
    uint32_t stream = 0;
    std::string bytes;
    bool fin = false;
  };
  struct Aborted {
    uint32_t stream = 0;
  };
  using Event = std::variant<Opened, Received, Aborted>;

  void append(std::string_view bytes) { decoder_.append(bytes); }
  // Nothing: more bytes are needed. An error is for good.
  Result<std::optional<Event>> next();

  // The answer to Opened: one of the two.
  void accept(uint32_t stream);
  void refuse(uint32_t stream, ResetStatus why);
  // How many bytes the peer takes on that stream now. 0 as well when the stream is closed.
  size_t room(uint32_t stream) const;
  // REQUIRES: at most room() and kMaxFrameBytes bytes. To a closed stream: nothing happens.
  void write(uint32_t stream, std::string_view bytes, bool fin);
  // So many bytes of what was received are used up: the peer may send as many again.
  void consumed(uint32_t stream, size_t bytes);
  // Whatever the peer still sends on it is dropped.
  void forget(uint32_t stream) { streams_.erase(stream); }
  bool is_open(uint32_t stream) const { return streams_.contains(stream); }

  // What is to be sent since the last call.
  std::string take_output() { return std::exchange(output_, {}); }
  size_t output_bytes() const { return output_.size(); }

 private:
  struct Stream {
    bool we_ended = false, peer_ended = false;
    int64_t window = kInitialWindow;  // What we may send; less than 0 after a SETTINGS.
    size_t consumed = 0;              // And not told yet.
  };

  std::optional<Event> take(Frame frame);
  std::optional<Event> take_open(SynStream& syn);
  std::optional<Event> take_data(Data& data);
  void take_settings(const Settings& settings);
  void take_window(const WindowUpdate& update);
  void tell_consumed(uint32_t stream, size_t* untold, size_t bytes);
  void send(const Frame& frame) { output_ += encoder_.encode(frame); }
  void forget_if_over(uint32_t stream);

  const size_t max_streams_;
  Decoder decoder_;
  Encoder encoder_;
  std::map<uint32_t, Stream> streams_;
  std::string output_;
  uint32_t last_stream_ = 0;
  bool peer_keeps_windows_ = false;
  int64_t first_window_ = kInitialWindow;       // Of a stream that begins.
  int64_t connection_window_ = kInitialWindow;  // Over all streams (3.1's stream 0).
  size_t connection_consumed_ = 0;
};

}  // namespace orch::http::spdy
