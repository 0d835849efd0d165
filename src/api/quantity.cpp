#include "api/quantity.h"

#include <algorithm>
#include <array>
#include <optional>

namespace orch::api {

namespace {

using Int = __int128;

constexpr Int kNano = 1'000'000'000;
constexpr Int kMax = static_cast<Int>(INT64_MAX) * kNano;
constexpr size_t kMaxDigits = 512;  // Longer texts are refused unread.

struct Suffix {
  std::string_view text;
  int exponent;  // Of ten, or of two for binary ones.
};
constexpr std::array<Suffix, 6> kBinary{
    {{"Ki", 10}, {"Mi", 20}, {"Gi", 30}, {"Ti", 40}, {"Pi", 50}, {"Ei", 60}}};
constexpr std::array<Suffix, 10> kDecimal{{{"n", -9},
                                           {"u", -6},
                                           {"m", -3},
                                           {"", 0},
                                           {"k", 3},
                                           {"M", 6},
                                           {"G", 9},
                                           {"T", 12},
                                           {"P", 15},
                                           {"E", 18}}};

Status malformed() {
  return bad_request(
      "quantities must match the regular expression "
      "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
}

Int round_up_divide(Int n, Int by) { return n / by + (n % by > 0 ? 1 : 0) - (n % by < 0 ? 1 : 0); }

int64_t capped(Int n) {
  return static_cast<int64_t>(std::clamp<Int>(n, -static_cast<Int>(INT64_MAX), INT64_MAX));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "12.50" as digits and how many of them stand behind the point.
struct Mantissa {
  std::string digits;
  int fraction_digits = 0;
};

std::optional<Mantissa> read_mantissa(std::string_view text) {
  Mantissa m;
  bool point = false;
  for (const char c : text) {
    if (c == '.') {
      if (point) return std::nullopt;
      point = true;
    } else {
      m.digits += c;
      if (point) ++m.fraction_digits;
    }
  }
  if (m.digits.empty()) return std::nullopt;
  return m;
}

// |mantissa| * 2^binary * 10^decimal in nano units, rounded up, capped at kMax.
Int scaled(const Mantissa& m, int binary_exponent, int decimal_exponent) {
  // Digit by digit from the left, stopping as soon as the cap is certain.
  int exponent = decimal_exponent - m.fraction_digits + 9;
  Int value = 0;
  bool inexact = false;
  // Keep what can matter: values beyond the cap in nano units saturate.
  constexpr Int limit = (static_cast<Int>(1) << 126) / 10;
  for (const char c : m.digits) {
    if (value > limit) {
      // Further digits only scale: treat them as zeros that raise the exponent.
      ++exponent;
      inexact = inexact || c != '0';
      continue;
    }
    value = value * 10 + (c - '0');
  }
  if (value == 0) return 0;
  for (; exponent > 0; --exponent) {
    if (value > kMax) return kMax;
    value *= 10;
  }
  // Divide last, multiply first while it fits, so that 0.5Gi stays exact.
  for (int shift = binary_exponent; shift > 0; --shift) {
    if (value > (static_cast<Int>(1) << 124)) {
      if (exponent == 0) return kMax;
      inexact = inexact || value % 10 != 0;
      value /= 10;
      ++exponent;
    }
    value *= 2;
  }
  for (; exponent < 0; ++exponent) {
    inexact = inexact || value % 10 != 0;
    value /= 10;
    if (value == 0 && exponent < -1) break;
  }
  if (inexact) value += 1;
  return std::min(value, kMax);
}

}  // namespace

Quantity Quantity::of(int64_t whole, Format format) {
  Quantity q;
  q.nano_ = static_cast<Int>(whole) * kNano;
  q.format_ = format;
  return q;
}

Quantity Quantity::of_milli(int64_t milli) {
  Quantity q;
  q.nano_ = static_cast<Int>(milli) * (kNano / 1000);
  return q;
}

Result<Quantity> Quantity::parse(std::string_view text) {
  if (text.empty() || text.size() > kMaxDigits) return malformed();
  size_t at = 0;
  const bool negative = text[0] == '-';
  if (text[0] == '-' || text[0] == '+') ++at;
  const size_t first = at;
  while (at < text.size() && (is_digit(text[at]) || text[at] == '.')) ++at;
  const auto mantissa = read_mantissa(text.substr(first, at - first));
  if (!mantissa) return malformed();

  const std::string_view suffix = text.substr(at);
  int binary = 0, decimal = 0;
  Quantity q;
  const auto same = [&](const Suffix& s) { return s.text == suffix; };
  if (const auto* b = std::find_if(kBinary.begin(), kBinary.end(), same); b != kBinary.end()) {
    binary = b->exponent;
    q.format_ = Format::binary;
  } else if (const auto* d = std::find_if(kDecimal.begin(), kDecimal.end(), same);
             d != kDecimal.end()) {
    decimal = d->exponent;
  } else if (suffix[0] == 'e' || suffix[0] == 'E') {
    std::string_view digits = suffix.substr(1);
    const bool minus = !digits.empty() && digits[0] == '-';
    if (!digits.empty() && (digits[0] == '-' || digits[0] == '+')) digits.remove_prefix(1);
    if (digits.empty() || digits.size() > 4 || !std::all_of(digits.begin(), digits.end(), is_digit))
      return malformed();
    for (const char c : digits) decimal = decimal * 10 + (c - '0');
    if (minus) decimal = -decimal;
    q.format_ = Format::exponent;
  } else {
    return malformed();
  }
  q.nano_ = scaled(*mantissa, binary, decimal);
  if (negative) q.nano_ = -q.nano_;
  return q;
}

std::string Quantity::to_string() const {
  if (nano_ == 0) return "0";
  Int magnitude = nano_ < 0 ? -nano_ : nano_;
  std::string_view suffix;
  int exponent = -9;
  // Binary only when the whole number is at least 1 Ki and exact; Kubernetes falls back to decimal.
  if (format_ == Format::binary && magnitude % kNano == 0 && magnitude / kNano >= 1024) {
    magnitude /= kNano;
    for (const Suffix& s : kBinary) {
      if (magnitude % 1024 != 0) break;
      magnitude /= 1024;
      suffix = s.text;
    }
    exponent = 0;
  } else {
    while (magnitude % 1000 == 0 && exponent < 18) {
      magnitude /= 1000;
      exponent += 3;
    }
    if (format_ != Format::exponent)
      for (const Suffix& s : kDecimal)
        if (s.exponent == exponent) suffix = s.text;
  }
  std::string digits;
  for (; magnitude > 0; magnitude /= 10) digits += static_cast<char>('0' + magnitude % 10);
  if (nano_ < 0) digits += '-';
  std::reverse(digits.begin(), digits.end());
  digits += suffix;
  if (format_ == Format::exponent && exponent != 0) digits += "e" + std::to_string(exponent);
  return digits;
}

int64_t Quantity::value() const { return capped(round_up_divide(nano_, kNano)); }
int64_t Quantity::milli_value() const { return capped(round_up_divide(nano_, kNano / 1000)); }

Quantity Quantity::operator+(const Quantity& other) const {
  Quantity sum = *this;
  if (nano_ == 0) sum.format_ = other.format_;
  sum.nano_ = std::clamp(nano_ + other.nano_, -kMax, kMax);
  return sum;
}

Quantity Quantity::operator-(const Quantity& other) const {
  Quantity difference = *this;
  difference.nano_ = std::clamp(nano_ - other.nano_, -kMax, kMax);
  return difference;
}

}  // namespace orch::api
