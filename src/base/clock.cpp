#include "base/clock.h"

#include <sys/random.h>

#include <algorithm>
#include <cstdio>

#include "base/check.h"

namespace orch {

namespace {

class SystemClock : public Clock {
 public:
  WallTime now() const override {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
  }
  MonoTime monotonic() const override { return std::chrono::steady_clock::now(); }
};

class SystemRandom : public Random {
 public:
  void fill(std::span<std::byte> bytes) override {
    size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t n = ::getrandom(bytes.data() + done, bytes.size() - done, 0);
      if (n > 0) done += static_cast<size_t>(n);
    }
  }
};

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

struct SplitTime {
  int64_t seconds;
  int64_t nanos;
};

SplitTime split(WallTime time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  return {whole.time_since_epoch().count(), (time - whole).count()};
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

uint64_t Random::next_u64() {
  uint64_t value = 0;
  fill(std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

uint64_t Random::below(uint64_t bound) {
  ORCH_CHECK(bound > 0);
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;  // Reject the biased tail.
  uint64_t value = next_u64();
  while (value >= limit) value = next_u64();
  return value % bound;
}

std::string Random::uuid() {
  unsigned char b[16];
  fill(std::as_writable_bytes(std::span(b)));
  b[6] = static_cast<unsigned char>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<unsigned char>((b[8] & 0x3f) | 0x80);
  char text[37];
  std::snprintf(text, sizeof text,
                "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
                b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
                b[15]);
  return text;
}

std::string Random::name_suffix(int length) {
  // No vowels and no look-alikes, so that no words and no misreadings come out.
  static constexpr std::string_view alphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (int i = 0; i < length; ++i) out += alphabet[below(alphabet.size())];
  return out;
}

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

Random& system_random() {
  static SystemRandom random;
  return random;
}

std::string format_time(WallTime time) { return format_seconds(split(time).seconds) + "Z"; }

std::string format_micro_time(WallTime time) {
  const SplitTime parts = split(time);
  char fraction[32];
  std::snprintf(fraction, sizeof fraction, ".%06ldZ", static_cast<long>(parts.nanos / 1000));
  return format_seconds(parts.seconds) + fraction;
}

std::string format_nano_time(WallTime time) {
  const SplitTime parts = split(time);
  char fraction[32];
  std::snprintf(fraction, sizeof fraction, ".%09ldZ", static_cast<long>(parts.nanos));
  return format_seconds(parts.seconds) + fraction;
}

bool parse_time(std::string_view text, WallTime* out) {
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
  *out = WallTime{std::chrono::sys_days{date}} + std::chrono::hours{hour} +
         std::chrono::minutes{minute} + std::chrono::seconds{second - offset_s} +
         std::chrono::nanoseconds{nanos};
  return true;
}

}  // namespace orch
