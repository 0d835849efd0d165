// oidc: tokens of an external issuer (--oidc-issuer-url). Its keys are fetched over HTTPS, on a
// thread of their own: at start, and when a token shows a key that is not known, but a few times a
// minute at most. No request waits for that; a token that comes too early is refused and
// good at the next try.
// Follows: OpenID Connect Discovery 1.0, RFC 7517.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <string_view>

#include "base/task_pool.h"
#include "server/apiserver/oidc_claims.h"

namespace orch::apiserver {

class OidcIssuer {
 public:
  static constexpr size_t kMaxRefreshes = 4;  // In so many seconds:
  static constexpr int kRefreshSeconds = 60;

  // Begins to fetch. `options` are checked.
  OidcIssuer(OidcOptions options, Clock& clock);
  ~OidcIssuer() { pool_.stop(); }

  // Cheap: whether the token claims to be this issuer's.
  bool concerns(const UnverifiedToken& token) const;
  // 401 for a token that is not good, or not yet.
  Result<User> authenticate(const UnverifiedToken& token);

 private:
  std::shared_ptr<const IssuerKeys> keys() const;
  void refresh();
  Result<IssuerKeys> fetch() const;

  const OidcOptions options_;
  Clock& clock_;
  mutable std::mutex mutex_;  // Guards these.
  std::shared_ptr<const IssuerKeys> keys_ = std::make_shared<IssuerKeys>();
  std::deque<MonoTime> asked_;  // The last few times.
  bool fetching_ = false;
  TaskPool pool_{1};
};

}  // namespace orch::apiserver
