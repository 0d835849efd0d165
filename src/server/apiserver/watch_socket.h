// WatchSocket: a watch's stream over a WebSocket, for browsers: one event a message, text for JSON
// and binary for protobuf, as kube-apiserver's websocket watches are. What the client says is read
// and dropped.
//
// Threads: written from anywhere; run() has the upgraded connection's own thread, which sleeps in
// poll(2) until there is something to send or to hear.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "http/http.h"

namespace orch::apiserver {

class WatchSocket : public http::Stream {
 public:
  enum class Framing { lines, protobuf };

  // `on_closed` is called once, when the peer went away, was cut off or never came (not after
  // close()).
  WatchSocket(Framing framing, size_t backlog_limit_bytes, Random& random,
              std::function<void()> on_closed);

  // Answers the exchange with 101, or with 429 when too many connections are upgraded.
  static std::shared_ptr<WatchSocket> open(http::Exchange& exchange, Framing framing,
                                           size_t backlog_limit_bytes, Random& random,
                                           std::function<void()> on_closed);

  bool write(http::Body piece) override;
  size_t backlog() const override;
  bool wait_for_backlog(size_t bytes) override;
  void close() override { end(State::closing); }
  void abort() override { end(State::broken); }

 private:
  enum class State { open, closing, broken, gone };

  void end(State how);
  void run(std::unique_ptr<http::Duplex> duplex);
  void set_gone();
  std::vector<http::Body> take(State* state);

  const Framing framing_;
  const size_t backlog_limit_bytes_;
  Random& random_;
  const UniqueFd wake_;  // An eventfd: there is something to send, or an end.
  mutable std::mutex mutex_;
  State state_ = State::open;
  size_t queued_bytes_ = 0;
  std::vector<http::Body> queue_;
  std::function<void()> on_closed_;
};

// The events in what a watch writes to a stream: lines, or protobuf behind their lengths. PURE.
std::vector<std::string_view> split_events(std::string_view text, WatchSocket::Framing framing);

}  // namespace orch::apiserver
