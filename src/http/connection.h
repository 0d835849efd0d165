// Connection: the server's side of one TLS connection, a state machine on one I/O thread.
//
//   handshake → reading → handling → writing → reading → …        (keep-alive)
//                            ├→ streaming → reading | lingering   (watch, logs)
//                            └→ upgrading → handed over           (exec, port-forward)
//
// step() does what the state allows until the socket would block, then waits for the socket. All
// members run on the Loop's thread, except where noted.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <optional>

#include "base/clock.h"
#include "http/body_pipe.h"
#include "http/deadline.h"
#include "http/loop.h"
#include "http/output_queue.h"
#include "http/parser.h"
#include "http/render.h"
#include "http/server_stream.h"
#include "http/transport.h"

namespace orch::http {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // Any thread; start() is posted to the Loop then.
  Connection(std::shared_ptr<Loop> loop, std::shared_ptr<ServerState> server, Transport transport,
             std::string peer_address);
  ~Connection();
  Connection(const Connection&) = delete;

  void start();
  // The answers that an Exchange gives. Ignored when the connection ended meanwhile.
  void answer(Response response);
  void begin_stream(std::shared_ptr<ServerStream> stream, Response head,
                    std::function<void()> on_closed);
  void begin_upgrade(Response head, Upgrades::Run run);
  // Something was queued in the stream.
  void flush_stream();
  // The stream's reader is too slow.
  void cut_off();
  // There is room again for a long body.
  void read_body();
  // The server stops: ends what idles or streams, lets an answer under way go out.
  void drain();
  // Ends now.
  void close();
  // For Deadline: something took too long.
  void on_deadline();

 private:
  enum class State {
    handshake,
    reading,
    handling,
    writing,
    streaming,
    upgrading,
    lingering,
    closed
  };

  void step();
  bool step_handshake();
  bool step_read();
  bool step_body();
  bool step_write();
  bool await_request();
  bool step_upgrade();
  bool step_stream();
  bool step_linger();
  void watch_peer();

  void feed(std::string_view bytes);
  void feed_body(std::string_view bytes);
  void drop_body();
  void continue_if_expected();
  void handle_request();
  void refuse(const Status& status);
  void queue_response(const Response& response, Framing framing);
  void begin_reading();
  void hand_over();
  void linger();
  void set_write_deadline();

  // True when all of `out_` left; otherwise waits, or the connection ended.
  bool flush_out();

  // False, always: "nothing more to do now".
  bool wait_for(const IoResult& result);
  void arm_read();
  void arm_write();

  const std::shared_ptr<ServerState> server_;
  Loop& loop_;  // Outlives its connections.
  const std::weak_ptr<Loop> weak_loop_;
  Transport transport_;
  boost::asio::posix::stream_descriptor descriptor_;  // Waits; the Transport owns the descriptor.
  Deadline<Connection> deadline_;

  Holding holding_;
  uint64_t handshake_ = 0;   // Its ticket.
  size_t answer_bytes_ = 0;  // Of the answer that is being written, and when it must have left
  MonoTime write_by_;        // (zero: its reader has kept up so far).

  State state_ = State::handshake;
  bool stepping_ = false;
  bool read_armed_ = false;
  bool write_armed_ = false;
  bool keep_alive_ = true;
  bool http10_ = false;
  bool head_request_ = false;
  bool get_request_ = false;
  bool request_began_ = false;  // Its first byte came.
  bool continue_sent_ = false;
  bool refused_ = false;  // Answered without reading all of the request.

  Peer peer_;
  std::optional<RequestParser> parser_;
  std::string input_;               // Read and not yet parsed.
  std::shared_ptr<BodyPipe> body_;  // Of the request that is handled, while it comes.

  OutputQueue out_;

  std::shared_ptr<ServerStream> stream_;
  bool stream_ended_ = false;
  bool broken_ = false;  // The body lacks its end, and the peer is to know.
  std::function<void()> on_closed_;
  Upgrades::Run run_upgrade_;
};

}  // namespace orch::http
