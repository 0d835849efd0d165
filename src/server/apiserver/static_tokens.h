// static_tokens: the tokens of a file (--token-auth-file), read once at start: one a line,
//
//   token,user,uid,"group1,group2"
//
// Follows: Kubernetes' "Static Token File". Immutable.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"
#include "server/apiserver/user.h"

namespace orch::apiserver {

class StaticTokens {
 public:
  StaticTokens() = default;
  // 400 with the number of the line that can't be read.
  static Result<StaticTokens> parse(std::string_view text);

  std::optional<User> find(std::string_view token) const;

 private:
  // By the tokens' digests: how long a look-up takes tells nothing of a token.
  std::unordered_map<std::string, User> users_;
};

}  // namespace orch::apiserver
