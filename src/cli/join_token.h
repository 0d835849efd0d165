// The token with which nodes join, in the form that k3s made known: K10<hash>::<secret>. The hash
// is the SHA-256 of the cluster's CA certificate (DER, hex): by it a node that has never met the
// server knows it from an impostor. PURE but for `random`. And when who joins should ask again.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace orch::cli {

struct JoinToken {
  std::string ca_sha256;  // 64 lower-case hex digits; "" when only the secret was given.
  std::string secret;     // Never empty.
};

// 400 when it is neither a whole token nor a bare secret.
Result<JoinToken> parse_join_token(std::string_view text);
std::string render_join_token(const JoinToken& token);
// 32 random bytes in hex: of a token, of a node's password.
std::string new_secret(Random& random);

// Whether it is worth asking again: the server is away, or has trouble of its own.
bool may_pass(const Status& status);

}  // namespace orch::cli
