#include "server/apiserver/watch_socket.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/strings.h"
#include "http/websocket.h"

namespace orch::apiserver {
namespace {

// A watcher has nothing to say.
constexpr size_t kMaxSaidBytes = 4096;
// To take one event; who needs longer is cut off.
constexpr int kSendMs = 30'000;

// A client that names one protocol must hear it again (RFC 6455); browsers name one for their
// credentials or their coding, and get text all the same.
std::string offered_protocol(const http::Request& request) {
  const auto names = http::offered_protocols(request);
  return names.size() == 1 ? std::string(names.front()) : "";
}

}  // namespace

std::vector<std::string_view> split_events(std::string_view text, WatchSocket::Framing framing) {
  std::vector<std::string_view> events;
  if (framing == WatchSocket::Framing::lines) {
    for (const std::string_view line : split(text, '\n')) {
      if (!line.empty()) events.push_back(line);
    }
    return events;
  }
  constexpr size_t kLengthBytes = 4;
  while (text.size() >= kLengthBytes) {
    size_t length = 0;
    for (size_t i = 0; i < kLengthBytes; ++i) {
      length = length << 8 | static_cast<unsigned char>(text[i]);
    }
    events.push_back(text.substr(kLengthBytes, length));
    text.remove_prefix(std::min(text.size(), kLengthBytes + length));
  }
  return events;
}

WatchSocket::WatchSocket(Framing framing, size_t backlog_limit_bytes, Random& random,
                         std::function<void()> on_closed)
    : framing_(framing),
      backlog_limit_bytes_(backlog_limit_bytes),
      random_(random),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      on_closed_(std::move(on_closed)) {}

std::shared_ptr<WatchSocket> WatchSocket::open(http::Exchange& exchange, Framing framing,
                                               size_t backlog_limit_bytes, Random& random,
                                               std::function<void()> on_closed) {
  auto socket =
      std::make_shared<WatchSocket>(framing, backlog_limit_bytes, random, std::move(on_closed));
  // Goes with the last copy of the function below: after it ran, or because it never will.
  const std::shared_ptr<void> end(nullptr, [socket](void*) { socket->set_gone(); });
  const http::Request& request = exchange.request();
  exchange.upgrade(
      http::websocket_response(request, offered_protocol(request)),
      [socket, end](std::unique_ptr<http::Duplex> duplex) { socket->run(std::move(duplex)); });
  return socket;
}

bool WatchSocket::write(http::Body piece) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::open) return false;
  queued_bytes_ += piece.size();
  queue_.push_back(std::move(piece));
  if (queued_bytes_ > backlog_limit_bytes_) state_ = State::gone;
  ::eventfd_write(wake_.get(), 1);
  return state_ == State::open;
}

size_t WatchSocket::backlog() const {
  const std::lock_guard lock(mutex_);
  return queued_bytes_;
}

// A watch never waits for its reader.
bool WatchSocket::wait_for_backlog(size_t bytes) { return backlog() <= bytes; }

void WatchSocket::end(State how) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::open) return;
  state_ = how;
  on_closed_ = nullptr;
  ::eventfd_write(wake_.get(), 1);
}

void WatchSocket::set_gone() {
  std::function<void()> tell;
  {
    const std::lock_guard lock(mutex_);
    state_ = State::gone;
    queue_.clear();
    tell = std::exchange(on_closed_, nullptr);
  }
  if (tell) tell();
}

std::vector<http::Body> WatchSocket::take(State* state) {
  const std::lock_guard lock(mutex_);
  *state = state_;
  queued_bytes_ = 0;
  return std::exchange(queue_, {});
}

void WatchSocket::run(std::unique_ptr<http::Duplex> duplex) {
  http::WebSocket socket(std::move(duplex), http::WebSocketRole::server, kMaxSaidBytes, random_);
  const auto opcode = framing_ == Framing::lines ? http::Opcode::text : http::Opcode::binary;
  while (true) {
    auto said = socket.receive();
    while (said && *said) said = socket.receive();
    if (!said) return;
    State state;
    for (const http::Body& piece : take(&state)) {
      if (state == State::gone) break;
      const std::string text = piece.flatten();
      for (const std::string_view event : split_events(text, framing_)) {
        if (!socket.send(opcode, event, kSendMs)) return;
      }
    }
    if (state == State::gone) return socket.close(http::close_code::internal_error, "too slow");
    if (state == State::broken) return socket.close(http::close_code::internal_error, "broken off");
    if (state == State::closing) return socket.close(http::close_code::normal, "");
    pollfd polled[2] = {{socket.fd(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0 && errno != EINTR) return;
    eventfd_t count;
    ::eventfd_read(wake_.get(), &count);
  }
}

}  // namespace orch::apiserver
