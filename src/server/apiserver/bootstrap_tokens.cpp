#include "server/apiserver/bootstrap_tokens.h"

#include <algorithm>

#include "api/resources.h"
#include "base/strings.h"
#include "crypto/digest.h"
#include "server/apiserver/encode.h"
#include "server/apiserver/keys.h"

namespace orch::apiserver {
namespace {

constexpr size_t kIdBytes = 6, kSecretBytes = 16;
constexpr std::string_view kType = "bootstrap.kubernetes.io/token";
constexpr std::string_view kBootstrappers = "system:bootstrappers";
constexpr std::string_view kExtraPrefix = "system:bootstrappers:";
constexpr size_t kMaxGroupBytes = 256;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

std::string value_of(const api::Value& secret, const char* key) {
  return base64_decode(secret["data"][key].as_string()).value_or("");
}

bool is_extra_group(std::string_view group) {
  if (!group.starts_with(kExtraPrefix)) return false;
  group.remove_prefix(kExtraPrefix.size());
  if (group.empty() || group.size() > kMaxGroupBytes || !is_letter(group.back())) return false;
  return std::all_of(group.begin(), group.end(),
                     [](char c) { return is_letter(c) || c == ':' || c == '-'; });
}

}  // namespace

bool is_bootstrap_token(std::string_view token) {
  if (token.size() != kIdBytes + 1 + kSecretBytes || token[kIdBytes] != '.') return false;
  return std::count_if(token.begin(), token.end(), is_letter) ==
         static_cast<std::ptrdiff_t>(kIdBytes + kSecretBytes);
}

Result<User> user_of_bootstrap(const api::Value& secret, std::string_view token, WallTime now) {
  const std::string_view id = token.substr(0, kIdBytes), shown = token.substr(kIdBytes + 1);
  if (secret["type"].as_string() != kType || !secret["metadata"]["deletionTimestamp"].empty()) {
    return unauthorized("no bootstrap token");
  }
  if (!crypto::equal_secrets(value_of(secret, "token-secret"), shown) ||
      value_of(secret, "token-id") != id) {
    return unauthorized("the bootstrap token's secret is wrong");
  }
  if (const std::string text = value_of(secret, "expiration"); !text.empty()) {
    WallTime end{};
    if (!parse_time(text, &end) || end <= now) {
      return unauthorized("the bootstrap token has expired");
    }
  }
  if (value_of(secret, "usage-bootstrap-authentication") != "true") {
    return unauthorized("the bootstrap token is not for authentication");
  }
  User user;
  user.name = "system:bootstrap:" + std::string(id);
  user.groups.emplace_back(kBootstrappers);
  const std::string extra = value_of(secret, "auth-extra-groups");
  for (const std::string_view group : split(extra, ',')) {
    if (trim(group).empty()) continue;
    if (!is_extra_group(trim(group)))
      return unauthorized("a group of the bootstrap token is wrong");
    user.groups.emplace_back(trim(group));
  }
  user.groups.emplace_back(kAuthenticatedGroup);
  return user;
}

Result<User> find_bootstrap(const store::Store& store, std::string_view token, WallTime now) {
  const std::string name = "bootstrap-token-" + std::string(token.substr(0, kIdBytes));
  const auto record = store.get(store_key(api::resource::secrets(), "kube-system", name));
  if (!record) return unauthorized("no such bootstrap token");
  return user_of_bootstrap(decode_stored(record->bytes), token, now);
}

}  // namespace orch::apiserver
