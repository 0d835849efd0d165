#include "base/clock.h"

#include <sys/random.h>

#include <cstdio>

#include "base/check.h"
#include "base/unix_time.h"

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

UnixTime split(WallTime time) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(time);
  return {whole.time_since_epoch().count(), (time - whole).count()};
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

std::string format_time(WallTime time) { return format_time(split(time)); }
std::string format_micro_time(WallTime time) { return format_micro_time(split(time)); }

std::string format_nano_time(WallTime time) {
  const UnixTime parts = split(time);
  std::string text = format_time(parts);
  char fraction[32];
  std::snprintf(fraction, sizeof fraction, ".%09ldZ", static_cast<long>(parts.nanos));
  return text.replace(text.size() - 1, 1, fraction);
}

bool parse_time(std::string_view text, WallTime* out) {
  UnixTime time;
  if (!parse_unix_time(text, &time)) return false;
  // The seconds at the very ends aren't whole.
  constexpr int64_t kMost = INT64_MAX / 1'000'000'000 - 1;
  if (time.seconds > kMost) {
    *out = WallTime::max();
  } else if (time.seconds < -kMost) {
    *out = WallTime::min();
  } else {
    *out = WallTime{std::chrono::seconds{time.seconds} + std::chrono::nanoseconds{time.nanos}};
  }
  return true;
}

}  // namespace orch
