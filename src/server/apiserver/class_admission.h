// class_admission: what objects take over from the class that they name, or from the default one:
// the plugins Priority, RuntimeClass, DefaultStorageClass, DefaultIngressClass and
// PersistentVolumeClaimResize of kube-apiserver. Reads the store, writes nothing; thread-safe.
#pragma once

#include "server/apiserver/write.h"

namespace orch::apiserver {

// Each may complete the object that is being created; 403 in Kubernetes' words.
Result<void> add_priority(const store::Store& store, const ResourceName& name, api::Value* spec);
Result<void> add_runtime_class(const store::Store& store, const ResourceName& name,
                               api::Value* spec);
void add_default_storage_class(const store::Store& store, api::Value* claim);
void add_default_ingress_class(const store::Store& store, api::Value* ingress);

// Only one PriorityClass may be the default.
Result<void> check_priority_class(const store::Store& store, const WriteRequest& request,
                                  const api::Value& priority_class);
// A claim may grow when it is bound and its class lets it.
Result<void> check_claim_resize(const store::Store& store, const WriteRequest& request,
                                const api::Value& old, const api::Value& claim);

}  // namespace orch::apiserver
