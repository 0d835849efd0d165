#include "server/apiserver/continue_token.h"

#include "api/json.h"
#include "base/strings.h"
#include "store/store.h"

namespace orch::apiserver {
namespace {

// Of a key that is all of characters which JSON escapes, in base64.
constexpr size_t kMaxTokenBytes = 9 * store::kMaxKeyBytes;
constexpr std::string_view kVersion = "meta.k8s.io/v1";

Status not_valid(std::string_view why) {
  return bad_request("invalid continue token: continue key is not valid" + std::string(why));
}

}  // namespace

std::string encode_continue(const ContinueToken& token, std::string_view prefix) {
  const std::string_view start = std::string_view(token.start_after).substr(prefix.size());
  return base64url_encode(api::to_json(
      api::Value::object({{"v", kVersion}, {"rv", token.revision}, {"start", start}})));
}

Result<ContinueToken> decode_continue(std::string_view text, std::string_view prefix) {
  if (text.size() > kMaxTokenBytes) return not_valid(": too long");
  const auto json = base64url_decode(text);
  if (!json) return not_valid(": illegal base64 data");
  const auto value = api::parse_json(*json);
  if (!value) return not_valid(": " + value.status().message);
  const std::string& version = (*value)["v"].as_string();
  if (version != kVersion) {
    return not_valid(": server does not recognize this encoded version " + version);
  }
  const std::string& start = (*value)["start"].as_string();
  const int64_t revision = (*value)["rv"].as_int();
  if (revision <= 0 && revision != ContinueToken::kNewest) {
    return not_valid(": incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
  }
  if (start.empty()) return not_valid(": encoded start key empty (version meta.k8s.io/v1)");
  if (prefix.size() + start.size() > store::kMaxKeyBytes) {
    return not_valid(": longer than any key");
  }
  if (start.front() == '/' || start.find("..") != std::string::npos ||
      start.find('\0') != std::string::npos) {
    return not_valid(": " + start);
  }
  return ContinueToken{revision, std::string(prefix) + start};
}

}  // namespace orch::apiserver
