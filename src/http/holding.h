// Holding: what one connection keeps in memory for its client's sake (a body that is being sent,
// an answer that isn't being read), counted into a sum that all connections of a server share. So
// any number of slow clients costs a bounded amount, and whoever wants more than is left is told to
// come back.
//
// A small amount is everybody's for the asking: no flood of large requests keeps small ones out.
#pragma once

#include <atomic>
#include <cstddef>

namespace orch::http {

inline constexpr size_t kFreeHoldingBytes = 64u << 10;  // Each; times max_connections at most.

struct HoldingSum {
  explicit HoldingSum(size_t limit_bytes) : limit(limit_bytes) {}
  const size_t limit;
  std::atomic<size_t> bytes{0};  // Beyond what is free.
};

// One thread at a time; the sum is shared by all threads.
class Holding {
 public:
  explicit Holding(HoldingSum& sum) : sum_(sum) {}
  ~Holding() { resize(0); }
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;

  // False, and nothing has changed, when the sum would go beyond its limit. Less is always granted.
  bool resize(size_t bytes) {
    const size_t counted = bytes > kFreeHoldingBytes ? bytes : 0;
    if (counted > counted_) {
      const size_t more = counted - counted_;
      size_t held = sum_.bytes;
      do {
        if (held + more > sum_.limit) return false;
      } while (!sum_.bytes.compare_exchange_weak(held, held + more));
    } else if (counted < counted_) {
      sum_.bytes.fetch_sub(counted_ - counted);
    }
    counted_ = counted;
    return true;
  }

 private:
  HoldingSum& sum_;
  size_t counted_ = 0;
};

}  // namespace orch::http
