// oidc: tokens of an external issuer (--oidc-issuer-url). Its keys are fetched over HTTPS, on a
// thread of their own: at start, and when a token shows a key that is not known, but a few times a
// minute at most. No thread waits for that: whose token came too early is called when they are
// here. Follows: OpenID Connect Discovery 1.0, RFC 7517.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/task_pool.h"
#include "server/apiserver/oidc_claims.h"

namespace orch::apiserver {

class OidcIssuer {
 public:
  static constexpr size_t kMaxRefreshes = 4;  // In so many seconds:
  static constexpr int kRefreshSeconds = 60;
  static constexpr size_t kMaxWaiting = 256;  // Requests.

  // Begins to fetch. `options` are checked.
  OidcIssuer(OidcOptions options, Clock& clock);
  ~OidcIssuer() { stop(); }
  // Nobody is called again after this.
  void stop() { pool_.stop(); }

  // Cheap: whether the token claims to be this issuer's.
  bool concerns(const UnverifiedToken& token) const;
  // 401 for a token that is not good, or not yet: a key that is not known is asked for then.
  Result<User> authenticate(const UnverifiedToken& token);
  // After such a 401. True when the key came meanwhile, or is on its way: `again` is called (at
  // once, or on the thread that fetches). False: trying again is no use.
  bool call_again(const UnverifiedToken& token, std::function<void()> again);

 private:
  std::shared_ptr<const IssuerKeys> keys() const;
  void refresh();
  void run_refresh();
  Result<IssuerKeys> fetch() const;

  const OidcOptions options_;
  Clock& clock_;
  mutable std::mutex mutex_;  // Guards these.
  std::shared_ptr<const IssuerKeys> keys_ = std::make_shared<IssuerKeys>();
  std::deque<MonoTime> asked_;  // The last few times.
  bool fetching_ = false;
  std::vector<std::function<void()>> waiting_;  // For the fetch under way.
  TaskPool pool_{1};
};

}  // namespace orch::apiserver
