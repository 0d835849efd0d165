// admission: the rules that need to see more than the object itself, in the order in which
// kube-apiserver runs the plugins of these names: NamespaceLifecycle, LimitRanger, ServiceAccount,
// DefaultTolerationSeconds, Priority, RuntimeClass, DefaultStorageClass,
// StorageObjectInUseProtection, DefaultIngressClass, TaintNodesByCondition,
// PersistentVolumeClaimResize, NodeRestriction; then come escalation.h and, last, quotas.h. Reads
// the store, writes nothing; thread-safe.
#pragma once

#include "api/json.h"
#include "base/clock.h"
#include "base/result.h"
#include "server/apiserver/write.h"
#include "store/store.h"

namespace orch::apiserver {

class Admission {
 public:
  Admission(const store::Store& store, Random& random) : store_(store), random_(random) {}

  // May complete `object`. Called after defaults, before validation.
  Result<void> admit_create(const WriteRequest& request, api::Value* object) const;
  Result<void> admit_update(const WriteRequest& request, const api::Value& old,
                            const api::Value& object) const;
  Result<void> admit_delete(const WriteRequest& request, const api::Value& old) const;

 private:
  Result<void> check_namespace(const WriteRequest& request, const api::Value& object) const;
  Result<void> admit_pod(const WriteRequest& request, api::Value* pod) const;
  Result<void> check_limits(const WriteRequest& request, api::Value* object) const;
  Result<void> add_service_account(const WriteRequest& request, api::Value* pod) const;
  void add_token_volume(api::Value* spec) const;

  const store::Store& store_;
  Random& random_;
};

}  // namespace orch::apiserver
