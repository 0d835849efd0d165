// bootstrap_tokens: short-lived tokens "abcdef.0123456789abcdef" with which new nodes introduce
// themselves (kubeadm's way): Secrets kube-system/bootstrap-token-<id>. Whoever brings one is
// system:bootstrap:<id> in system:bootstrappers. Reads the store only; thread-safe.
// Follows: Kubernetes' "Authenticating with Bootstrap Tokens".
#pragma once

#include <optional>
#include <string_view>

#include "api/json.h"
#include "base/clock.h"
#include "base/result.h"
#include "server/apiserver/user.h"
#include "store/store.h"

namespace orch::apiserver {

// Six and sixteen letters or digits, with a dot between them.
bool is_bootstrap_token(std::string_view token);

// Whom the Secret makes of the bearer of the token. PURE. 401 with the reason otherwise.
Result<User> user_of_bootstrap(const api::Value& secret, std::string_view token, WallTime now);

Result<User> find_bootstrap(const store::Store& store, std::string_view token, WallTime now);

}  // namespace orch::apiserver
