#include "cli/join_token.h"

#include <algorithm>

#include "base/strings.h"

namespace orch::cli {

namespace {

constexpr std::string_view kPrefix = "K10";
constexpr std::string_view kSeparator = "::";
constexpr size_t kHashDigits = 64;

bool is_hash(std::string_view text) {
  return text.size() == kHashDigits &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

// It travels in a header, and stands in one line of a file.
bool is_secret(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

}  // namespace

Result<JoinToken> parse_join_token(std::string_view text) {
  text = trim(text);
  JoinToken token;
  if (const size_t end = text.find(kSeparator);
      text.starts_with(kPrefix) && end != std::string_view::npos) {
    token.ca_sha256 = to_lower(text.substr(kPrefix.size(), end - kPrefix.size()));
    if (!is_hash(token.ca_sha256))
      return bad_request("the token is damaged: after K10 must stand 64 hex digits, then ::");
    text.remove_prefix(end + kSeparator.size());
  }
  if (!is_secret(text))
    return bad_request("the token is damaged: its secret must be of printable ASCII, no blanks");
  token.secret = text;
  return token;
}

std::string render_join_token(const JoinToken& token) {
  return std::string(kPrefix) + token.ca_sha256 + std::string(kSeparator) + token.secret;
}

std::string new_secret(Random& random) {
  std::byte secret[32];
  random.fill(secret);
  return hex_encode({reinterpret_cast<const char*>(secret), sizeof secret});
}

bool may_pass(const Status& status) {
  return status.code == 429 || status.code == 500 || status.code == 503 || status.code == 504;
}

}  // namespace orch::cli
