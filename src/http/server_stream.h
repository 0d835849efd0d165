// ServerStream: the Stream of a server's connection. Writers on any thread queue framed pieces
// here; the connection's I/O thread takes them all at once, so that many small events share a TLS
// record and a system call.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "http/http.h"
#include "http/loop.h"

namespace orch::http {

class ServerStream : public Stream {
 public:
  // `chunked` false: HTTP/1.0, where the body ends with the connection.
  ServerStream(std::weak_ptr<Connection> connection, std::shared_ptr<Loop> loop,
               size_t backlog_limit_bytes, bool chunked);

  bool write(Body piece) override;
  size_t backlog() const override { return backlog_.load(std::memory_order_relaxed); }
  bool wait_for_backlog(size_t bytes) override;
  void close() override { end(true); }
  void abort() override { end(false); }

  // For the connection, on its I/O thread.
  struct Taken {
    std::vector<Body::Piece> pieces;
    bool ended = false;  // Nothing follows `pieces`.
    bool whole = true;   // False: it was abort() that ended it.
  };
  Taken take();
  // The head of the response counts as backlog too.
  void bytes_queued(size_t n) { backlog_.fetch_add(n, std::memory_order_relaxed); }
  void bytes_left(size_t n);
  // From now on write() says false. True unless the writer had ended it: he is to be told.
  bool set_gone();

 private:
  void end(bool whole);
  void post_flush();

  const std::weak_ptr<Connection> connection_;
  const std::shared_ptr<Loop> loop_;
  const size_t limit_;
  const bool chunked_;
  std::atomic<size_t> backlog_{0};
  std::atomic<int> waiters_{0};  // In wait_for_backlog(); spares all others the lock.
  std::condition_variable drained_;
  std::mutex mutex_;
  std::vector<Body::Piece> queue_;
  bool flush_posted_ = false;
  bool closed_ = false;
  bool whole_ = true;
  bool gone_ = false;
};

}  // namespace orch::http
