// health: what /livez, /readyz and /healthz say, check by check, with ?verbose, ?exclude=NAME and
// each check under its own path, as kube-apiserver says it. Thread-safe.
#pragma once

#include <atomic>

#include "http/http.h"
#include "server/apiserver/route.h"
#include "store/store.h"

namespace orch::apiserver {

struct Health {
  const store::Store& store;
  const bool several = false;         // The store is, or may become, one of several servers'.
  std::atomic<bool> started{false};   // What every cluster has stands.
  std::atomic<bool> stopping{false};  // Whoever balances load should look elsewhere.
};

bool is_health_path(std::string_view path);

// REQUIRES: is_health_path(target.path). 404 for a check that there isn't.
Result<http::Response> serve_health(const Health& health, const Target& target);

}  // namespace orch::apiserver
