// Small text tools that std lacks. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace orch {

// "a,b,,c" → {"a","b","","c"}; "" → {""}.
std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);  // Blanks and tabs and line ends, both sides.
std::string to_lower(std::string_view text);   // ASCII only.
// Whole text, decimal, no sign for unsigned types, no overflow.
std::optional<int64_t> parse_int(std::string_view text);
std::optional<double> parse_double(std::string_view text);

std::string base64_encode(std::string_view bytes);                   // RFC 4648 section 4, padded.
std::string base64url_encode(std::string_view bytes);                // Section 5, unpadded (JWT).
std::optional<std::string> base64_decode(std::string_view text);     // Strict; padding required.
std::optional<std::string> base64url_decode(std::string_view text);  // Strict; no padding.
std::string hex_encode(std::string_view bytes);                      // Lower case.

// %XX decoding of a path segment or query value. Nothing when malformed.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
std::string percent_encode(std::string_view text);  // All but RFC 3986 unreserved characters.

// The candidate with the fewest edits from `word`, "" when none is near: for "did you mean".
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

bool valid_utf8(std::string_view text);

}  // namespace orch
