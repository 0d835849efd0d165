// quotas: the plugin ResourceQuota. What a namespace uses is counted anew from its objects whenever
// one more asks to come in, and only one at a time may (Registry holds the others back in
// NamespaceGate; what another server lets in at the same moment the store notices, by
// Write::counted), so that a quota is kept exactly, whatever comes at once; status.used, which
// people read, is kept by a controller.
//
// A namespace without quotas costs one look at the index. Thread-safe.
// Follows: kube-apiserver's plugin ResourceQuota, for the words.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "server/admission/quota.h"
#include "server/apiserver/write.h"

namespace orch::apiserver {

class Quotas {
 public:
  explicit Quotas(const store::Store& store) : store_(store) {}

  // Whether this write may use more of a quota.
  bool concerns(const WriteRequest& request) const;
  // 403 when it would use more than there is. `old` is null when the object is created. Else what
  // was counted, so that the store can tell whether it still is the whole; nothing without quotas.
  Result<std::optional<store::Write::Counted>> check(const WriteRequest& request,
                                                     const api::Value& old,
                                                     const api::Value& object) const;

 private:
  struct Counted {
    int64_t revision = 0;
    admission::Quantities usage;
    std::map<std::string, bool> counts;  // By quota and its revision: is it in its scopes?
  };
  using CountedObjects = std::map<std::string, Counted, std::less<>>;  // By store key.

  admission::Quantities used(const std::string& ns, const api::Value& quota,
                             const admission::Quantities& names) const;
  admission::Quantities count_objects(const api::Resource& resource, const std::string& ns,
                                      const api::Value& quota) const;

  const store::Store& store_;
  mutable std::mutex mutex_;
  mutable std::map<std::string, CountedObjects> counted_;  // By folder; refilled at every look.
};

}  // namespace orch::apiserver
