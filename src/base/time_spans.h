// Sums and differences of times that clients wrote, which may be any: what lies beyond the ends of
// WallTime is the end, as in Go. (An int64 of seconds has more nanoseconds than 64 bits hold.)
// Pure.
#pragma once

#include <cstdint>

#include "base/clock.h"

namespace orch {

inline WallTime later(WallTime time, std::chrono::seconds by) {
  int64_t span = 0, sum = 0;
  if (__builtin_mul_overflow(int64_t{by.count()}, int64_t{1'000'000'000}, &span) ||
      __builtin_add_overflow(int64_t{time.time_since_epoch().count()}, span, &sum)) {
    return by.count() < 0 ? WallTime::min() : WallTime::max();
  }
  return WallTime(std::chrono::nanoseconds(sum));
}

inline std::chrono::nanoseconds time_between(WallTime from, WallTime to) {
  int64_t span = 0;
  if (__builtin_sub_overflow(int64_t{to.time_since_epoch().count()},
                             int64_t{from.time_since_epoch().count()}, &span)) {
    return to < from ? std::chrono::nanoseconds::min() : std::chrono::nanoseconds::max();
  }
  return std::chrono::nanoseconds(span);
}

}  // namespace orch
