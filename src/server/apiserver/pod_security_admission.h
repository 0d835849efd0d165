// pod_security_admission: the plugin PodSecurity: holds pods against the level that the labels of
// their namespace ask for, warns of workloads whose pods would be refused, and of the pods that
// stand when a namespace becomes stricter. Reads the store, writes nothing; thread-safe. Follows:
// "Pod Security Admission".
#pragma once

#include "server/apiserver/write.h"

namespace orch::apiserver {

// 403 for a pod that may not be, 422 for labels of a namespace that say nothing sensible. `old` is
// null when the object is created. Warnings are appended.
Result<void> admit_pod_security(const store::Store& store, const WriteRequest& request,
                                const api::Value& old, const api::Value& object,
                                std::vector<std::string>* warnings);

}  // namespace orch::apiserver
