// OutputQueue: pieces waiting to be written, handed out as chunks of at most one TLS record. Large
// pieces go out from where they lie, small ones are gathered, so that a usual response (head and
// body) is one record and one system call. Holds no buffer when empty.
#pragma once

#include <deque>
#include <string>
#include <string_view>

#include "http/http.h"

namespace orch::http {

inline constexpr size_t tls_record_bytes = 16 << 10;  // The most that one TLS record carries.

class OutputQueue {
 public:
  void push(Body::Piece piece) {
    bytes_ += piece.view.size();
    pieces_.push_back(std::move(piece));
  }
  // What to write next: the same bytes until written() took them. Empty when nothing waits.
  std::string_view chunk();
  // Does anything wait beyond chunk()?
  bool more() const { return bytes_ > chunk_.size(); }
  // The first `n` bytes of chunk() left.
  void written(size_t n);

 private:
  std::deque<Body::Piece> pieces_;
  size_t bytes_ = 0;        // That wait.
  size_t offset_ = 0;       // Written of the first piece.
  std::string gathered_;    // Small pieces, joined.
  std::string_view chunk_;  // In gathered_ or in the first piece.
};

}  // namespace orch::http
