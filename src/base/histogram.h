// Histogram: how many values were at most each of a few limits, and what all of them add up to. Any
// thread adds and reads, nobody waits; a reader may see a value in its bucket before it is in the
// sum.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace orch {

class Histogram {
 public:
  static constexpr size_t kMaxLimits = 25;

  // Ascending, at most kMaxLimits, for as long as this lives.
  explicit Histogram(std::span<const double> limits)
      : limits_(limits.first(std::min(limits.size(), kMaxLimits))) {}

  void add(double value) {
    const auto bucket = std::lower_bound(limits_.begin(), limits_.end(), value);
    counts_[static_cast<size_t>(bucket - limits_.begin())].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  std::span<const double> limits() const { return limits_; }
  // Values in the bucket of limits()[at]; of limits().size(): beyond the last.
  uint64_t count(size_t at) const { return counts_[at].load(std::memory_order_relaxed); }
  uint64_t total() const {
    uint64_t total = 0;
    for (size_t i = 0; i <= limits_.size(); ++i) total += count(i);
    return total;
  }
  double sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const std::span<const double> limits_;
  std::array<std::atomic<uint64_t>, kMaxLimits + 1> counts_{};
  std::atomic<double> sum_{0};
};

// What client-go and the scheduler measure with: 10 microseconds to 1000 seconds, 1 ms to 16 s.
inline constexpr std::array<double, 9> kQueueLimitsS = {1e-5, 1e-4, 1e-3, 1e-2, 0.1,
                                                        1,    10,   100,  1000};
inline constexpr std::array<double, 15> kAttemptLimitsS = {0.001, 0.002, 0.004, 0.008, 0.016,
                                                           0.032, 0.064, 0.128, 0.256, 0.512,
                                                           1.024, 2.048, 4.096, 8.192, 16.384};

}  // namespace orch
