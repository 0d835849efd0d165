// Quantity: an exact decimal number with Kubernetes' suffixes ("100m", "1.5Gi", "2e3").
// Pure. Follows: k8s.io/apimachinery resource.Quantity (its documented grammar and canonical form).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::api {

class Quantity {
 public:
  enum class Format { decimal, binary, exponent };

  Quantity() = default;  // 0
  static Quantity of(int64_t whole, Format format = Format::decimal);
  static Quantity of_milli(int64_t milli);

  // <signed number><suffix>, finer than a nano rounded up, at most ±2^63-1 whole units (beyond is
  // capped, as Kubernetes does). 400 otherwise, in Kubernetes' words.
  static Result<Quantity> parse(std::string_view text);

  // The canonical form: no fraction, as large a suffix as keeps it exact.
  std::string to_string() const;

  int64_t value() const;        // Whole units, rounded away from zero.
  int64_t milli_value() const;  // Thousandths, rounded away from zero, capped.
  int sign() const { return nano_ < 0 ? -1 : (nano_ > 0 ? 1 : 0); }
  Format format() const { return format_; }

  Quantity operator+(const Quantity& other) const;
  Quantity operator-(const Quantity& other) const;
  bool operator==(const Quantity& other) const { return nano_ == other.nano_; }
  auto operator<=>(const Quantity& other) const { return nano_ <=> other.nano_; }

 private:
  __int128 nano_ = 0;  // Billionths: the finest that Kubernetes keeps.
  Format format_ = Format::decimal;
};

}  // namespace orch::api
