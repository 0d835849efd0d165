#include "base/unix_time.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace orch {

namespace {

// Seconds since the epoch to "YYYY-MM-DDTHH:MM:SS". By hand: every write formats a few, and
// strftime takes ten times as long.
std::string format_seconds(int64_t seconds) {
  const std::chrono::sys_seconds time{std::chrono::seconds{seconds}};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const auto in_day = static_cast<unsigned>((time - day).count());
  std::string text = "0000-00-00T00:00:00";
  const auto put = [&text](size_t at, size_t digits, unsigned value) {
    for (; digits > 0; value /= 10) text[at + --digits] = static_cast<char>('0' + value % 10);
  };
  put(0, 4, static_cast<unsigned>(std::clamp(static_cast<int>(date.year()), 0, 9999)));
  put(5, 2, static_cast<unsigned>(date.month()));
  put(8, 2, static_cast<unsigned>(date.day()));
  put(11, 2, in_day / 3600);
  put(14, 2, in_day / 60 % 60);
  put(17, 2, in_day % 60);
  return text;
}

bool digits(std::string_view text, size_t at, size_t count, int* out) {
  if (at + count > text.size()) return false;
  int value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  *out = value;
  return true;
}

}  // namespace

std::string format_time(const UnixTime& time) { return format_seconds(time.seconds) + "Z"; }

std::string format_micro_time(const UnixTime& time) {
  char fraction[32];
  std::snprintf(fraction, sizeof fraction, ".%06ldZ", static_cast<long>(time.nanos / 1000));
  return format_seconds(time.seconds) + fraction;
}

bool parse_unix_time(std::string_view text, UnixTime* out) {
  int year, month, day, hour, minute, second;
  if (text.size() < 20 || !digits(text, 0, 4, &year) || text[4] != '-' ||
      !digits(text, 5, 2, &month) || text[7] != '-' || !digits(text, 8, 2, &day) ||
      (text[10] != 'T' && text[10] != 't') || !digits(text, 11, 2, &hour) || text[13] != ':' ||
      !digits(text, 14, 2, &minute) || text[16] != ':' || !digits(text, 17, 2, &second))
    return false;
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return false;

  size_t at = 19;
  int64_t nanos = 0;
  if (text[at] == '.') {
    int64_t scale = 100'000'000;
    const size_t first = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10)
      nanos += (text[at] - '0') * scale;
    if (at == first) return false;
  }

  if (at >= text.size()) return false;
  int offset_s = 0;
  if (text[at] == 'Z' || text[at] == 'z') {
    if (at + 1 != text.size()) return false;
  } else {
    int zone_hour, zone_minute;
    if ((text[at] != '+' && text[at] != '-') || at + 6 != text.size() ||
        !digits(text, at + 1, 2, &zone_hour) || text[at + 3] != ':' ||
        !digits(text, at + 4, 2, &zone_minute) || zone_hour > 23 || zone_minute > 59)
      return false;
    offset_s = (zone_hour * 3600 + zone_minute * 60) * (text[at] == '-' ? -1 : 1);
  }
  const auto days = std::chrono::sys_days{date}.time_since_epoch();
  out->seconds = std::chrono::seconds{days}.count() + hour * 3600 + minute * 60 + second - offset_s;
  out->nanos = nanos;
  return out->seconds >= kFirstUnixSecond && out->seconds <= kLastUnixSecond;
}

}  // namespace orch
