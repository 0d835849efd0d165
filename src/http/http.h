// http: requests and responses as plain values, and the three ways to answer one.
//
// This header is all that other rooms see of HTTP: Boost.Beast stays in the few .cpp files behind
// it. HTTP/1.1 only (RFC 9112), which every Kubernetes client speaks; see docs/adr/0002-rooms.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace orch::http {

// Header fields in order; names compare without regard to case.
class Headers {
 public:
  // The first value of `name`, or "".
  std::string_view get(std::string_view name) const;
  bool has(std::string_view name) const;
  std::vector<std::string_view> all(std::string_view name) const;
  void add(std::string name, std::string value);
  void set(std::string name, std::string value);  // Replaces every field of that name.
  void remove(std::string_view name);
  const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// A body of shared pieces: a LIST is a gather-write of objects that stay where they are.
class Body {
 public:
  Body() = default;
  Body(std::string text) { append(std::move(text)); }
  Body(const char* text) : Body(std::string(text)) {}

  void append(std::string text);
  // `owner` keeps the memory of `view` alive until it was written.
  void append_shared(std::shared_ptr<const void> owner, std::string_view view);

  struct Piece {
    std::shared_ptr<const void> owner;
    std::string_view view;
  };
  const std::vector<Piece>& pieces() const { return pieces_; }
  size_t size() const { return size_; }
  std::string flatten() const;

 private:
  std::vector<Piece> pieces_;
  size_t size_ = 0;
};

// Who is at the other end, as TLS verified it.
struct Peer {
  std::string address;           // "10.0.0.7:40112"
  bool has_certificate = false;  // True only when it chains to the server's client CA.
  std::string common_name;
  std::vector<std::string> organizations;
  bool bad_certificate = false;  // One was shown that does not chain so, or whose time is over.
};

// The rest of a body that is too long to be held, while it arrives. For one reader, not on an I/O
// thread.
class RequestBody {
 public:
  virtual ~RequestBody() = default;
  // Of the whole body; nothing when its sender has not said.
  virtual std::optional<uint64_t> length() const = 0;
  // What has come and was not read yet; waits for some. "" = the end. A Status when the sender
  // broke off, or nothing came for so long.
  virtual Result<std::string> read(int timeout_ms) = 0;
};

struct Request {
  std::string method = "GET";
  std::string target = "/";  // Path and query, still percent-encoded.
  Headers headers;
  std::string body;
  Peer peer;                                    // Filled by the server; ignored by the client.
  std::shared_ptr<RequestBody> rest = nullptr;  // What follows `body`; null: nothing.
};

struct Response {
  int status = 200;
  Headers headers;  // Content-Length or Transfer-Encoding are added on the way out.
  Body body;
};

// A response that goes on (watch, logs). Thread-safe. Chunked; every write is flushed at once.
class Stream {
 public:
  virtual ~Stream() = default;
  // Queues a piece. False when the peer is gone, or was cut off because more than the stream's
  // backlog limit waited: a slow reader is never waited for.
  virtual bool write(Body piece) = 0;
  // Bytes queued and not yet taken by the kernel, for writers that can pause instead.
  virtual size_t backlog() const = 0;
  // Such a pause: blocks until at most `bytes` are queued. False when the peer is gone or the
  // stream closed. Not on an I/O thread.
  virtual bool wait_for_backlog(size_t bytes) = 0;
  // Ends the response in good order. Idempotent.
  virtual void close() = 0;
  // Ends it so that its reader notices that there should have been more: what is queued still goes
  // out, then the connection ends in the middle of the body. Nothing happens after close().
  virtual void abort() = 0;
};

// The raw connection after an upgrade, or a client's. Non-blocking, for one thread with poll(2).
class Duplex {
 public:
  virtual ~Duplex() = default;
  virtual int fd() const = 0;
  // True when bytes wait inside TLS that poll(2) can't see: read before polling.
  virtual bool pending() const = 0;
  // Bytes moved; 0 = would block; nothing-more and failures are a Status ("EOF" has code 0).
  virtual Result<size_t> read_some(char* into, size_t size) = 0;
  // After 0, the next call must begin with the same bytes (TLS may hold their record already).
  virtual Result<size_t> write_some(std::string_view bytes) = 0;
  // Waits for all of it, at most `timeout_ms`. For short control messages.
  virtual Result<void> write_fully(std::string_view bytes, int timeout_ms) = 0;
  virtual void close() = 0;
};
inline bool is_eof(const Status& status) { return status.code == 0; }

// One request and its one answer. Exactly one of send, start_stream, upgrade is called, on any
// thread, once; an exchange that is dropped unanswered answers 500.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual const Request& request() const = 0;
  virtual void send(Response response) = 0;
  // Sends the head now. `on_closed` is called once, on an I/O thread, when the peer went away or
  // was cut off, or the server stops (not after close() or abort()).
  virtual std::shared_ptr<Stream> start_stream(Response head, size_t backlog_limit_bytes,
                                               std::function<void()> on_closed) = 0;
  // Sends `head` (101) and hands the connection over, on a thread of its own that ends with the
  // connection. At most ServerOptions::max_upgrades at a time: else 429 is sent and `run` dropped.
  virtual void upgrade(Response head, std::function<void(std::unique_ptr<Duplex>)> run) = 0;
};

// Called on an I/O thread: must not wait for anything but memory.
using Handler = std::function<void(std::shared_ptr<Exchange>)>;

}  // namespace orch::http
