// MetricsText: Prometheus' text format, written by hand: families, each with its samples, all of
// one moment. PURE.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace orch::pods {

class MetricsText {
 public:
  // Every sample carries the time, if one is given; `help_prefix` is kubelet's "[STABLE] ", or
  // nothing.
  explicit MetricsText(std::optional<WallTime> now, std::string help_prefix = "");

  void family(std::string_view name, std::string_view type, std::string_view help);
  // `labels`: 'a="1",b="2"', or "".
  void sample(const std::string& labels, double value);
  std::string take() { return std::move(text_); }

 private:
  const std::string time_, help_prefix_;  // " 1700000000000" or "".
  std::string name_, text_;
};

// A value between quotes in `labels`, escaped.
std::string label(std::string_view name, std::string_view value);
inline double seconds(uint64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace orch::pods
