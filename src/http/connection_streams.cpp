// Connection, continued: answers that go on, and connections that become something else.
#include "http/connection.h"

namespace orch::http {

// Streams -------------------------------------------------------------------------------------

void Connection::begin_stream(std::shared_ptr<ServerStream> stream, Response head,
                              std::function<void()> on_closed) {
  if (state_ != State::handling) {
    if (stream->set_gone() && on_closed) on_closed();
    return;
  }
  drop_body();
  stream_ = std::move(stream);
  stream_ended_ = false;
  on_closed_ = std::move(on_closed);
  if (http10_) keep_alive_ = false;
  queue_response(head, http10_ ? Framing::to_eof : Framing::chunked);
  state_ = State::streaming;
  if (server_->stopping) return drain();
  step();
}

void Connection::flush_stream() {
  if (state_ == State::streaming) step();
}

void Connection::cut_off() {
  if (state_ == State::streaming) close();
}

bool Connection::step_stream() {
  ServerStream::Taken taken = stream_->take();
  for (Body::Piece& piece : taken.pieces) out_.push(std::move(piece));
  stream_ended_ = stream_ended_ || taken.ended;
  broken_ = !taken.whole;
  if (broken_) keep_alive_ = false;
  const bool all_written = flush_out();
  if (state_ == State::closed) return false;
  if (all_written) deadline_.clear();
  if (all_written && stream_ended_) {
    stream_.reset();
    on_closed_ = nullptr;
    if (refused_)
      linger();
    else if (keep_alive_)
      begin_reading();
    else
      close();
    return true;
  }
  watch_peer();
  return false;
}

// While a stream is silent, only its end of the connection tells that the peer is gone. What the
// peer sends meanwhile is kept as its next request, up to one header's worth.
void Connection::watch_peer() {
  if (refused_) return;  // What else he sends is the rest of a body that nobody wants.
  while (!read_armed_) {
    const IoResult result = transport_.read(loop_.read_buffer.data(), loop_.read_buffer.size());
    if (result.kind != Io::done) {
      wait_for(result);
      return;
    }
    if (input_.size() + result.bytes > server_->options.max_header_bytes) return close();
    input_.append(loop_.read_buffer.data(), result.bytes);
  }
}

// Long bodies ---------------------------------------------------------------------------------

void Connection::read_body() {
  if (state_ == State::handling) step();
}

// As fast as they are taken, and no faster.
bool Connection::step_body() {
  if (!body_ || read_armed_) return false;
  if (body_->full()) {
    deadline_.clear();  // It is not the sender who is waited for.
    return false;
  }
  deadline_.set(server_->options.request_timeout_s);
  const IoResult result = transport_.read(loop_.read_buffer.data(), loop_.read_buffer.size());
  if (result.kind != Io::done) return wait_for(result);
  feed_body({loop_.read_buffer.data(), result.bytes});
  return true;
}

void Connection::feed_body(std::string_view bytes) {
  input_.append(bytes);
  const Result<size_t> used = parser_->feed(input_);
  if (used.ok()) input_.erase(0, *used);
  const bool in_line = !parser_->done() && input_.size() > server_->options.max_header_bytes;
  if (!used.ok() || in_line) return drop_body();
  body_->push(std::exchange(parser_->request().body, {}));
  if (!parser_->done()) return;
  body_->end();
  body_.reset();
  parser_.reset();
  deadline_.clear();
}

// An answer comes before the end of the body, or the body can't be read: the answer is the last.
void Connection::drop_body() {
  if (!body_) return;
  body_->break_off();
  body_.reset();
  parser_.reset();
  input_.clear();
  deadline_.clear();
  keep_alive_ = false;
  refused_ = true;
}

// Upgrades ------------------------------------------------------------------------------------

void Connection::begin_upgrade(Response head, Upgrades::Run run) {
  if (state_ != State::handling) return;
  drop_body();
  if (!server_->upgrades->reserve())
    return answer(server_->refusal(too_many_requests("too many upgraded connections", 1)));
  run_upgrade_ = std::move(run);
  queue_response(head, Framing::none);
  state_ = State::upgrading;
  step();
}

bool Connection::step_upgrade() {
  if (flush_out()) hand_over();
  return false;
}

void Connection::hand_over() {
  state_ = State::closed;
  descriptor_.release();
  deadline_.cancel();
  server_->upgrades->start(std::move(transport_), std::move(input_), std::move(run_upgrade_));
  loop_.connections.erase(shared_from_this());
  server_->connection_closed();
}

}  // namespace orch::http
