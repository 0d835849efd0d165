#include "http/connection.h"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>

#include "base/log.h"
#include "base/strings.h"
#include "http/exchange.h"
#include "http/tls.h"

namespace orch::http {

namespace {

using Wait = boost::asio::posix::descriptor_base;

// How long a refused client may go on sending before the connection ends: closing at once would
// reset the connection and could take our answer with it (RFC 9112, 9.6).
constexpr int linger_timeout_s = 2;

Status overloaded() { return too_many_requests("too much is being sent or waits for readers", 1); }

bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

// What of an answer is in memory for its reader alone: objects that the store has anyway cost
// nothing.
size_t owned_bytes(const Body& body) {
  size_t bytes = 0;
  for (const Body::Piece& piece : body.pieces()) {
    if (piece.owner.use_count() == 1) bytes += piece.view.size();
  }
  return bytes;
}

}  // namespace

Connection::Connection(std::shared_ptr<Loop> loop, std::shared_ptr<ServerState> server,
                       Transport transport, std::string peer_address)
    : server_(std::move(server)),
      loop_(*loop),
      weak_loop_(loop),
      transport_(std::move(transport)),
      descriptor_(loop->context, transport_.fd()),
      deadline_(loop->context, *this),
      holding_(server_->holding) {
  peer_.address = std::move(peer_address);
  server_->connection_opened();
}

Connection::~Connection() {
  if (descriptor_.is_open()) descriptor_.release();
}

void Connection::start() {
  loop_.connections.insert(shared_from_this());
  if (server_->stopping) return close();
  deadline_.set(server_->options.handshake_timeout_s);
  const auto give_up = [weak = weak_from_this(), loop = weak_loop_] {
    const auto alive = loop.lock();
    if (!alive) return;
    boost::asio::post(alive->context, [weak] {
      const auto connection = weak.lock();
      if (connection && connection->state_ == State::handshake) connection->close();
    });
  };
  handshake_ = server_->handshakes.begin(give_up);
  step();
}

void Connection::step() {
  if (stepping_) return;
  const auto self = shared_from_this();  // close() drops the owner.
  stepping_ = true;
  for (bool more = true; more;) {
    switch (state_) {
      case State::handshake:
        more = step_handshake();
        break;
      case State::reading:
        more = step_read();
        break;
      case State::writing:
        more = step_write();
        break;
      case State::streaming:
        more = step_stream();
        break;
      case State::upgrading:
        more = step_upgrade();
        break;
      case State::lingering:
        more = step_linger();
        break;
      case State::handling:
        more = step_body();
        break;
      case State::closed:
        more = false;
        break;
    }
  }
  stepping_ = false;
}

bool Connection::step_handshake() {
  const IoResult result = transport_.handshake();
  if (result.kind != Io::done) {
    if (result.kind == Io::failed && log::enabled(log::Level::debug))
      log::debug("http", "TLS handshake with " + peer_.address + ": " + transport_.error());
    return wait_for(result);
  }
  std::string address = std::move(peer_.address);
  peer_ = peer_identity(transport_.ssl());
  peer_.address = std::move(address);
  server_->handshakes.end(handshake_);
  begin_reading();
  return true;
}

// Requests ------------------------------------------------------------------------------------

void Connection::begin_reading() {
  state_ = State::reading;
  request_began_ = continue_sent_ = false;
  holding_.resize(0);
  write_by_ = {};
  const ServerOptions& options = server_->options;
  parser_.emplace(
      MessageLimits{options.max_header_bytes, options.max_body_bytes, &options.streams_body});
  deadline_.set(options.idle_timeout_s);
  if (!input_.empty()) feed(std::exchange(input_, {}));
}

bool Connection::step_read() {
  if (!flush_out()) return false;  // A "100 Continue" may still be on its way.
  const IoResult result = transport_.read(loop_.read_buffer.data(), loop_.read_buffer.size());
  if (result.kind != Io::done) return wait_for(result);
  feed({loop_.read_buffer.data(), result.bytes});
  return true;
}

void Connection::feed(std::string_view bytes) {
  std::string joined;
  if (!input_.empty()) {
    joined.swap(input_);
    bytes = joined.append(bytes);
  }
  const Result<size_t> used = parser_->feed(bytes);
  if (!used.ok()) return refuse(used.status());
  const std::string_view rest = bytes.substr(*used);
  if (!parser_->done() && rest.size() > server_->options.max_header_bytes)
    return refuse(bad_request("a line of the request is too long"));
  input_ = rest;
  if (!holding_.resize(parser_->request().body.size())) return refuse(overloaded());
  const bool handed_on = parser_->unlimited() && parser_->request().body.size() >= kFirstBodyBytes;
  if (handed_on && !holding_.resize(kBodyPipeBytes)) return refuse(overloaded());
  if (parser_->done() || handed_on) return handle_request();
  if (!std::exchange(request_began_, true)) deadline_.set(server_->options.request_timeout_s);
  continue_if_expected();
}

void Connection::continue_if_expected() {
  static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  if (!parser_->expects_continue() || std::exchange(continue_sent_, true)) return;
  out_.push({nullptr, go_on});
}

void Connection::handle_request() {
  state_ = State::handling;
  http10_ = parser_->http10();
  keep_alive_ = parser_->keep_alive() && !http10_ && !server_->stopping;
  Request request = std::exchange(parser_->request(), {});
  if (parser_->done()) {
    deadline_.clear();
    parser_.reset();
  } else {
    body_ = std::make_shared<BodyPipe>(weak_from_this(), weak_loop_.lock(), parser_->length());
    request.rest = body_;
    deadline_.set(server_->options.request_timeout_s);
  }
  request.peer = peer_;
  head_request_ = request.method == "HEAD";
  get_request_ = request.method == "GET";
  server_->handler(std::make_shared<ServerExchange>(weak_from_this(), weak_loop_.lock(),
                                                    std::move(request), http10_));
}

// A message that can't be read is answered and the connection ends: where the next would begin
// is unknown.
void Connection::refuse(const Status& status) {
  parser_.reset();
  holding_.resize(0);
  input_.clear();
  keep_alive_ = false;
  refused_ = true;
  queue_response(server_->refusal(status), Framing::sized);
  state_ = State::writing;
  step();
}

// Answers -------------------------------------------------------------------------------------

void Connection::answer(Response response) {
  if (state_ != State::handling) return;
  drop_body();
  if (to_lower(response.headers.get("Connection")) == "close") keep_alive_ = false;
  // What was written was written, and its writer hears so.
  if (!holding_.resize(owned_bytes(response.body)) && get_request_) {
    response = server_->refusal(overloaded());
  }
  answer_bytes_ = response.body.size();
  queue_response(response, has_no_body(response.status) ? Framing::none : Framing::sized);
  state_ = State::writing;
  step();
}

void Connection::queue_response(const Response& response, Framing framing) {
  Body head(render_response_head(response, framing, keep_alive_));
  if (stream_) stream_->bytes_queued(head.size());
  out_.push(head.pieces().front());
  if (framing != Framing::sized || head_request_) return;
  for (const Body::Piece& piece : response.body.pieces()) out_.push(piece);
}

bool Connection::step_write() {
  if (!flush_out()) return false;
  if (refused_)
    linger();
  else if (keep_alive_)
    return await_request();
  else
    close();
  return true;
}

// The next request is hardly ever there yet: waiting at once saves a look at the socket.
bool Connection::await_request() {
  begin_reading();
  if (state_ != State::reading || request_began_ || transport_.pending()) return true;
  arm_read();
  return false;
}

void Connection::linger() {
  state_ = State::lingering;
  transport_.shutdown();
  ::shutdown(transport_.fd(), SHUT_WR);
  deadline_.set(linger_timeout_s);
}

bool Connection::step_linger() {
  const IoResult result = transport_.read(loop_.read_buffer.data(), loop_.read_buffer.size());
  return result.kind == Io::done || wait_for(result);
}

// Writing -------------------------------------------------------------------------------------

bool Connection::flush_out() {
  while (!write_armed_) {
    const std::string_view chunk = out_.chunk();
    if (chunk.empty()) return true;
    const IoResult result = transport_.write(chunk, out_.more());
    if (result.kind != Io::done) {
      set_write_deadline();
      return wait_for(result);
    }
    out_.written(result.bytes);
    if (stream_) stream_->bytes_left(result.bytes);
  }
  return false;
}

// A reader that stops is given up soon, one that merely dribbles when the whole should be there. A
// stream has no whole: its backlog is what is bounded.
void Connection::set_write_deadline() {
  const auto patience = std::chrono::seconds(server_->options.write_timeout_s);
  const MonoTime now = system_clock().monotonic();
  if (state_ != State::writing) return deadline_.set_at(now + patience);
  if (write_by_ == MonoTime()) {
    const auto whole = std::chrono::seconds(answer_bytes_ / server_->options.min_bytes_per_s);
    write_by_ = now + patience + whole;
  }
  deadline_.set_at(std::min(now + patience, write_by_));
}

// Ends ----------------------------------------------------------------------------------------

void Connection::drain() {
  keep_alive_ = false;
  switch (state_) {
    case State::handshake:
      return close();
    case State::reading:
      if (!request_began_) close();
      return;
    case State::streaming: {
      // The writer may end it his way.
      if (const auto tell = std::exchange(on_closed_, nullptr)) tell();
      stream_->close();
      return;
    }
    default:
      return;
  }
}

void Connection::close() {
  if (state_ == State::closed) return;
  if (state_ == State::upgrading) server_->upgrades->release();
  if (state_ == State::handshake) server_->handshakes.end(handshake_);
  state_ = State::closed;
  // TLS's word for a good end is what ends a body without a length (HTTP/1.0).
  if (!broken_) transport_.shutdown();
  descriptor_.release();
  deadline_.cancel();
  const auto tell = std::exchange(on_closed_, nullptr);
  const bool told_by_writer = stream_ && !stream_->set_gone();
  stream_.reset();
  run_upgrade_ = nullptr;
  if (body_) body_->break_off();
  body_.reset();
  const auto self = shared_from_this();
  loop_.connections.erase(self);
  server_->connection_closed();
  if (tell && !told_by_writer) tell();
}

// Waiting -------------------------------------------------------------------------------------

bool Connection::wait_for(const IoResult& result) {
  switch (result.kind) {
    case Io::want_read:
      arm_read();
      break;
    case Io::want_write:
      arm_write();
      break;
    default:
      close();
      break;
  }
  return false;
}

void Connection::arm_read() {
  if (std::exchange(read_armed_, true)) return;
  descriptor_.async_wait(Wait::wait_read, [self = shared_from_this()](const auto& error) {
    self->read_armed_ = false;
    if (!error) self->step();
  });
}

void Connection::arm_write() {
  if (std::exchange(write_armed_, true)) return;
  descriptor_.async_wait(Wait::wait_write, [self = shared_from_this()](const auto& error) {
    self->write_armed_ = false;
    if (!error) self->step();
  });
}

void Connection::on_deadline() {
  if (state_ == State::reading && request_began_)
    return refuse(Status{408, "Timeout", "the request did not arrive in time", {}});
  close();
}

}  // namespace orch::http
