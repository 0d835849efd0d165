#include "http/spdy_connection.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace orch::http::spdy {
namespace {

constexpr int64_t kMaxWindow = std::numeric_limits<int32_t>::max();
// What was consumed is told in pieces worth a frame.
constexpr size_t kTellAfter = kInitialWindow / 2;

}  // namespace

Result<std::optional<Connection::Event>> Connection::next() {
  for (;;) {
    std::optional<Frame> frame = ORCH_TRY(decoder_.next());
    if (!frame) return std::optional<Event>();
    if (std::optional<Event> event = take(std::move(*frame))) return event;
  }
}

std::optional<Connection::Event> Connection::take(Frame frame) {
  if (auto* syn = std::get_if<SynStream>(&frame)) return take_open(*syn);
  if (auto* data = std::get_if<Data>(&frame)) return take_data(*data);
  if (const auto* settings = std::get_if<Settings>(&frame)) take_settings(*settings);
  if (const auto* update = std::get_if<WindowUpdate>(&frame)) take_window(*update);
  if (const auto* ping = std::get_if<Ping>(&frame)) {
    if (ping->id % 2 == 1) send(*ping);  // Even ones would be answers to ours.
  }
  if (const auto* more = std::get_if<MoreHeaders>(&frame); more && more->fin) {
    Data end{more->stream, true, ""};
    return take_data(end);
  }
  if (const auto* reset = std::get_if<Reset>(&frame)) {
    if (streams_.erase(reset->stream) > 0) return Event(Aborted{reset->stream});
  }
  // GOAWAY says that no streams will follow; those that are here go on.
  return std::nullopt;
}

std::optional<Connection::Event> Connection::take_open(SynStream& syn) {
  // A caller's streams are odd and go up.
  if (syn.stream % 2 == 0 || syn.stream <= last_stream_) {
    send(Reset{syn.stream, static_cast<uint32_t>(ResetStatus::protocol_error)});
    return std::nullopt;
  }
  last_stream_ = syn.stream;
  if (streams_.size() >= max_streams_) {
    send(Reset{syn.stream, static_cast<uint32_t>(ResetStatus::refused_stream)});
    return std::nullopt;
  }
  Stream& stream = streams_[syn.stream];
  stream.peer_ended = syn.fin;
  stream.window = first_window_;
  return Event(Opened{syn.stream, syn.fin, std::move(syn.headers)});
}

std::optional<Connection::Event> Connection::take_data(Data& data) {
  const auto found = streams_.find(data.stream);
  if (found == streams_.end() || found->second.peer_ended) {
    // It may have been on its way when the stream ended; nobody will consume it.
    tell_consumed(0, &connection_consumed_, data.bytes.size());
    if (data.stream > last_stream_) {
      send(Reset{data.stream, static_cast<uint32_t>(ResetStatus::invalid_stream)});
    }
    return std::nullopt;
  }
  found->second.peer_ended = data.fin;
  Received received{data.stream, std::move(data.bytes), data.fin};
  forget_if_over(data.stream);
  return Event(std::move(received));
}

void Connection::take_settings(const Settings& settings) {
  for (const auto& [id, value] : settings.values) {
    if (id != kSettingInitialWindow) continue;
    peer_keeps_windows_ = true;
    const int64_t change = std::min<int64_t>(value, kMaxWindow) - first_window_;
    first_window_ += change;
    for (auto& [number, stream] : streams_) stream.window += change;
  }
}

void Connection::take_window(const WindowUpdate& update) {
  peer_keeps_windows_ = true;
  const auto grow = [&](int64_t* window) {
    *window = std::min<int64_t>(*window + update.delta, kMaxWindow);
  };
  if (update.stream == 0) return grow(&connection_window_);
  const auto found = streams_.find(update.stream);
  if (found != streams_.end()) grow(&found->second.window);
}

void Connection::accept(uint32_t stream) { send(SynReply{stream, false, {}}); }

void Connection::refuse(uint32_t stream, ResetStatus why) {
  send(Reset{stream, static_cast<uint32_t>(why)});
  streams_.erase(stream);
}

size_t Connection::room(uint32_t stream) const {
  const auto found = streams_.find(stream);
  if (found == streams_.end() || found->second.we_ended) return 0;
  if (!peer_keeps_windows_) return kMaxFrameBytes;
  const int64_t least = std::min(found->second.window, connection_window_);
  return static_cast<size_t>(std::clamp<int64_t>(least, 0, kMaxFrameBytes));
}

void Connection::write(uint32_t stream, std::string_view bytes, bool fin) {
  const auto found = streams_.find(stream);
  if (found == streams_.end() || found->second.we_ended) return;
  ORCH_CHECK(bytes.size() <= room(stream));
  found->second.window -= static_cast<int64_t>(bytes.size());
  connection_window_ -= static_cast<int64_t>(bytes.size());
  found->second.we_ended = fin;
  send(Data{stream, fin, std::string(bytes)});
  forget_if_over(stream);
}

void Connection::consumed(uint32_t stream, size_t bytes) {
  tell_consumed(0, &connection_consumed_, bytes);
  const auto found = streams_.find(stream);
  if (found == streams_.end() || found->second.peer_ended) return;
  tell_consumed(stream, &found->second.consumed, bytes);
}

void Connection::tell_consumed(uint32_t stream, size_t* untold, size_t bytes) {
  *untold += bytes;
  if (*untold < kTellAfter) return;
  send(WindowUpdate{stream, static_cast<uint32_t>(*untold)});
  *untold = 0;
}

void Connection::forget_if_over(uint32_t stream) {
  const auto found = streams_.find(stream);
  if (found != streams_.end() && found->second.we_ended && found->second.peer_ended) {
    streams_.erase(found);
  }
}

}  // namespace orch::http::spdy
