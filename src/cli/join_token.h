// The token with which nodes join, in the form that k3s made known: K10<hash>::<secret>. The hash
// is the SHA-256 of the cluster's CA certificate (DER, hex): by it a node that has never met the
// server knows it from an impostor. PURE.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace orch::cli {

struct JoinToken {
  std::string ca_sha256;  // 64 lower-case hex digits; "" when only the secret was given.
  std::string secret;     // Never empty.
};

// 400 when it is neither a whole token nor a bare secret.
Result<JoinToken> parse_join_token(std::string_view text);
std::string render_join_token(const JoinToken& token);

}  // namespace orch::cli
