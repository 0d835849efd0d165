#include "server/apiserver/static_tokens.h"

#include <vector>

#include "base/strings.h"
#include "crypto/digest.h"

namespace orch::apiserver {
namespace {

// The fields of one line of comma-separated values (RFC 4180; no line breaks within).
std::optional<std::vector<std::string>> fields_of(std::string_view line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back() += line[i++];
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  if (quoted) return std::nullopt;
  return fields;
}

}  // namespace

Result<StaticTokens> StaticTokens::parse(std::string_view text) {
  StaticTokens tokens;
  size_t number = 0;
  for (const std::string_view raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(raw);
    if (line.empty()) continue;
    const auto fields = fields_of(line);
    const std::string where = "line " + std::to_string(number);
    if (!fields || fields->size() < 3) {
      return bad_request(where + ": must be token,user name,user uid and maybe groups");
    }
    if ((*fields)[0].empty() || (*fields)[1].empty()) {
      return bad_request(where + ": token and user name must not be empty");
    }
    User user;
    user.name = std::string(trim((*fields)[1]));
    user.uid = std::string(trim((*fields)[2]));
    if (fields->size() > 3) {
      for (const std::string_view group : split((*fields)[3], ',')) {
        if (!trim(group).empty()) user.groups.emplace_back(trim(group));
      }
    }
    user.groups.emplace_back(kAuthenticatedGroup);
    const auto [at, fresh] =
        tokens.users_.emplace(crypto::sha256_bytes(trim((*fields)[0])), std::move(user));
    if (!fresh) return bad_request(where + ": the token stands there twice");
  }
  return tokens;
}

std::optional<User> StaticTokens::find(std::string_view token) const {
  const auto found = users_.find(crypto::sha256_bytes(token));
  if (found == users_.end()) return std::nullopt;
  return found->second;
}

}  // namespace orch::apiserver
