#include "http/output_queue.h"

namespace orch::http {

std::string_view OutputQueue::chunk() {
  if (!chunk_.empty()) return chunk_;
  if (pieces_.empty()) {
    gathered_ = {};
    return {};
  }
  const std::string_view first = pieces_.front().view.substr(offset_);
  if (first.size() >= tls_record_bytes || pieces_.size() == 1) {
    chunk_ = first.substr(0, tls_record_bytes);
    return chunk_;
  }
  gathered_.assign(first);
  for (size_t i = 1; i < pieces_.size() && gathered_.size() < tls_record_bytes; ++i)
    gathered_.append(pieces_[i].view.substr(0, tls_record_bytes - gathered_.size()));
  chunk_ = gathered_;
  return chunk_;
}

void OutputQueue::written(size_t n) {
  chunk_.remove_prefix(n);
  bytes_ -= n;
  while (n > 0) {
    const size_t left = pieces_.front().view.size() - offset_;
    if (n < left) {
      offset_ += n;
      return;
    }
    n -= left;
    offset_ = 0;
    pieces_.pop_front();
  }
}

}  // namespace orch::http
