// CopyRule: when a copy of the state takes the log's place, and how much of the log stays behind it
// for servers that lag. Entries count, and so do their bytes, for the log lies on disk and in
// memory: a few thousand large ones would fill both. PURE; on the log's thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace orch::store {

class CopyRule {
 public:
  struct Limits {
    unsigned copy_after = 8192, keep = 2048;  // Entries.
    size_t copy_after_bytes = 64u << 20, keep_bytes = 16u << 20;
  };

  explicit CopyRule(const Limits& limits) : limits_(limits) {}

  // An entry of so many bytes.
  void applied(uint64_t index, size_t bytes) {
    entries_.push_back({index, bytes});
    new_bytes_ += bytes;
    kept_bytes_ += bytes;
    while (entries_.size() > 1 &&
           (entries_.front().index + limits_.keep <= index || kept_bytes_ > limits_.keep_bytes)) {
      kept_bytes_ -= entries_.front().bytes;
      entries_.pop_front();
    }
  }
  // A copy has all that was applied.
  void copied() { new_bytes_ = 0; }

  // libraft makes a copy when so many entries were added since the last,
  unsigned copy_after() const {
    return new_bytes_ < limits_.copy_after_bytes ? limits_.copy_after : 1;
  }
  // and so many of them stay: one at least.
  unsigned keep() const {
    if (entries_.empty()) return limits_.keep;
    const uint64_t known = entries_.back().index - entries_.front().index + 1;
    return static_cast<unsigned>(std::min<uint64_t>(known, limits_.keep));
  }

 private:
  struct Entry {
    uint64_t index = 0;
    size_t bytes = 0;
  };
  const Limits limits_;
  std::deque<Entry> entries_;  // The last ones.
  size_t kept_bytes_ = 0;      // Theirs.
  size_t new_bytes_ = 0;
};

}  // namespace orch::store
