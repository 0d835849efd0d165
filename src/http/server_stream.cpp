#include "http/server_stream.h"

#include <boost/asio/post.hpp>

#include "http/connection.h"
#include "http/render.h"

namespace orch::http {

namespace {

// Framing bytes that live as long as the program need no owner.
Body::Piece unowned(std::string_view text) { return {nullptr, text}; }

}  // namespace

ServerStream::ServerStream(std::weak_ptr<Connection> connection, std::shared_ptr<Loop> loop,
                           size_t backlog_limit_bytes, bool chunked)
    : connection_(std::move(connection)),
      loop_(std::move(loop)),
      limit_(backlog_limit_bytes),
      chunked_(chunked) {}

bool ServerStream::write(Body piece) {
  if (piece.size() == 0) return true;  // A chunk of size 0 would end the body.
  bool cut_off = false;
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || closed_) return false;
    // One piece may be larger than the limit, when nothing else waits.
    const size_t waiting = backlog();
    if (waiting > 0 && waiting + piece.size() > limit_) {
      cut_off = gone_ = true;
      drained_.notify_all();
      queue_.clear();
    } else {
      size_t added = piece.size();
      if (chunked_) {
        Body head(render_chunk_head(piece.size()));
        added += head.size() + chunk_tail.size();
        queue_.push_back(head.pieces().front());
      }
      for (const Body::Piece& part : piece.pieces()) queue_.push_back(part);
      if (chunked_) queue_.push_back(unowned(chunk_tail));
      backlog_.fetch_add(added, std::memory_order_relaxed);
      wake = !std::exchange(flush_posted_, true);
    }
  }
  if (cut_off) {
    boost::asio::post(loop_->context, [weak = connection_] {
      if (const auto connection = weak.lock()) connection->cut_off();
    });
    return false;
  }
  if (wake) post_flush();
  return true;
}

bool ServerStream::wait_for_backlog(size_t bytes) {
  std::unique_lock lock(mutex_);
  ++waiters_;
  drained_.wait(lock, [&] { return gone_ || closed_ || backlog_.load() <= bytes; });
  --waiters_;
  return !gone_ && !closed_;
}

// The waiter counts itself before it looks at the backlog, and here it is the other way round: one
// of the two sees the other.
void ServerStream::bytes_left(size_t n) {
  backlog_.fetch_sub(n);
  if (waiters_.load() == 0) return;
  const std::lock_guard lock(mutex_);
  drained_.notify_all();
}

void ServerStream::end(bool whole) {
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || closed_) return;
    closed_ = true;
    whole_ = whole;
    drained_.notify_all();
    if (chunked_ && whole) {
      queue_.push_back(unowned(last_chunk));
      backlog_.fetch_add(last_chunk.size(), std::memory_order_relaxed);
    }
    flush_posted_ = true;
  }
  post_flush();
}

// Always posted, never run at once: the flush may find the peer gone and call the writer's
// on_closed, and the writer may hold its own lock around write().
void ServerStream::post_flush() {
  boost::asio::post(loop_->context, [weak = connection_] {
    if (const auto connection = weak.lock()) connection->flush_stream();
  });
}

ServerStream::Taken ServerStream::take() {
  const std::lock_guard lock(mutex_);
  flush_posted_ = false;
  return {std::exchange(queue_, {}), closed_, whole_};
}

bool ServerStream::set_gone() {
  const std::lock_guard lock(mutex_);
  gone_ = true;
  drained_.notify_all();
  queue_.clear();
  return !closed_;
}

}  // namespace orch::http
