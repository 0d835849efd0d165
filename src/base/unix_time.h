// UnixTime: a moment of any year that RFC 3339 can write. WallTime (clock.h) counts nanoseconds in
// 64 bits and ends in 2262, but clients may say "9999-12-31T23:59:59Z", and read it back. PURE.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace orch {

// Of the years 0 and 9999.
inline constexpr int64_t kFirstUnixSecond = -62'167'219'200, kLastUnixSecond = 253'402'300'799;

struct UnixTime {
  int64_t seconds = 0;  // Since 1970, UTC; before it negative.
  int64_t nanos = 0;    // Beyond those, 0 to 999,999,999.
};

// "2026-01-02T03:04:05Z", the form of metav1.Time.
std::string format_time(const UnixTime& time);
// "2026-01-02T03:04:05.000006Z", the form of metav1.MicroTime.
std::string format_micro_time(const UnixTime& time);
// RFC 3339 with any zone and fraction. False when `text` is none, or its year in UTC has no four
// digits.
bool parse_unix_time(std::string_view text, UnixTime* out);

}  // namespace orch
