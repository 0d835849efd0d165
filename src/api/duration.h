// duration: Go's text for a span of time ("1m30s", "1.5h", "-300ms"), the JSON form of
// metav1.Duration, and its nanoseconds. Pure. Follows: the documentation of Go's package time
// (ParseDuration, Duration.String).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace orch::api {

// Nothing when `text` is no duration, or more than 292 years.
std::optional<int64_t> parse_duration_ns(std::string_view text);
std::string format_duration_ns(int64_t nanoseconds);

}  // namespace orch::api
