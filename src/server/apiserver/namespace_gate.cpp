#include "server/apiserver/namespace_gate.h"

#include <utility>

namespace orch::apiserver {

bool NamespaceGate::come(const std::string& ns, Visit visit) {
  {
    const std::lock_guard lock(mutex_);
    const auto [place, is_free] = inside_.try_emplace(ns);
    if (!is_free) {
      if (place->second.size() >= kMaxWaiting) return false;
      place->second.push_back(std::move(visit));
      return true;
    }
  }
  visit.enter();
  return true;
}

void NamespaceGate::leave(const std::string& ns) {
  Visit next;
  {
    const std::lock_guard lock(mutex_);
    const auto place = inside_.find(ns);
    if (place->second.empty()) {
      inside_.erase(place);
      return;
    }
    next = std::move(place->second.front());
    place->second.pop_front();
  }
  if (pool_.run(next.enter)) return;
  next.refuse();
  leave(ns);
}

}  // namespace orch::apiserver
