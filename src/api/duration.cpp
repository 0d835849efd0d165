#include "api/duration.h"

#include <array>
#include <utility>

namespace orch::api {
namespace {

constexpr uint64_t kMicro = 1'000, kMilli = 1'000'000, kSecond = 1'000'000'000;

// Longer names first where one begins another.
constexpr std::array<std::pair<std::string_view, uint64_t>, 8> kUnits{{{"ns", 1},
                                                                       {"us", kMicro},
                                                                       {"\u00b5s", kMicro},
                                                                       {"\u03bcs", kMicro},
                                                                       {"ms", kMilli},
                                                                       {"s", kSecond},
                                                                       {"m", 60 * kSecond},
                                                                       {"h", 3600 * kSecond}}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

uint64_t take_unit(std::string_view* text) {
  for (const auto& [name, size] : kUnits) {
    if (!text->starts_with(name)) continue;
    text->remove_prefix(name.size());
    return size;
  }
  return 0;
}

// "12.5" and its unit, as nanoseconds; what is finer than one is cut off.
std::optional<unsigned __int128> take_part(std::string_view* text) {
  unsigned __int128 whole = 0, fraction = 0, scale = 1;
  bool any = false;
  for (; !text->empty() && is_digit(text->front()); text->remove_prefix(1)) {
    any = true;
    whole = whole * 10 + static_cast<unsigned>(text->front() - '0');
    if (whole > uint64_t{INT64_MAX}) return std::nullopt;
  }
  if (text->starts_with('.')) {
    text->remove_prefix(1);
    for (; !text->empty() && is_digit(text->front()); text->remove_prefix(1)) {
      any = true;
      constexpr unsigned __int128 kFinest = 1'000'000'000'000'000;
      if (scale >= kFinest) continue;
      fraction = fraction * 10 + static_cast<unsigned>(text->front() - '0');
      scale *= 10;
    }
  }
  const uint64_t unit = any ? take_unit(text) : 0;
  if (unit == 0) return std::nullopt;
  return whole * unit + fraction * unit / scale;
}

// The number in units, without needless zeros: 1500 micro of 1000 → "1.5".
std::string decimal(uint64_t value, uint64_t unit) {
  std::string text = std::to_string(value / unit);
  uint64_t rest = value % unit;
  if (rest == 0) return text;
  text += '.';
  for (; rest != 0; rest %= unit) {
    rest *= 10;
    text += static_cast<char>('0' + rest / unit);
  }
  return text;
}

}  // namespace

std::optional<int64_t> parse_duration_ns(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  unsigned __int128 sum = 0;
  const unsigned __int128 most = uint64_t{INT64_MAX} + (negative ? 1 : 0);
  while (!text.empty()) {
    const auto part = take_part(&text);
    if (!part) return std::nullopt;
    sum += *part;
    if (sum > most) return std::nullopt;
  }
  const auto magnitude = static_cast<uint64_t>(sum);
  return static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
}

std::string format_duration_ns(int64_t nanoseconds) {
  if (nanoseconds == 0) return "0s";
  const bool negative = nanoseconds < 0;
  const auto signless = static_cast<uint64_t>(nanoseconds);
  const uint64_t value = negative ? 0 - signless : signless;
  const std::string sign = negative ? "-" : "";
  if (value < kMicro) return sign + std::to_string(value) + "ns";
  if (value < kMilli) return sign + decimal(value, kMicro) + "\u00b5s";
  if (value < kSecond) return sign + decimal(value, kMilli) + "ms";
  const uint64_t hours = value / (3600 * kSecond), minutes = value / (60 * kSecond) % 60;
  std::string text = sign;
  if (hours != 0) text += std::to_string(hours) + "h";
  if (hours != 0 || minutes != 0) text += std::to_string(minutes) + "m";
  return text + decimal(value % (60 * kSecond), kSecond) + "s";
}

}  // namespace orch::api
