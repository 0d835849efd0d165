// Every hook and the name that rows of the schema call it by. Included by hooks.cpp and tests.
#pragma once

#include <string_view>
#include <utility>

#include "api/hooks.h"

namespace orch::api {

extern const Hook kConfigMapHook;      // hook_config.cpp
extern const Hook kSecretHook;         // hook_config.cpp
extern const Hook kDeploymentHook;     // hook_workload.cpp
extern const Hook kReplicaSetHook;     // hook_workload.cpp
extern const Hook kEndpointsHook;      // hook_endpoints.cpp
extern const Hook kEndpointSliceHook;  // hook_endpoints.cpp
extern const Hook kEventHook;          // hook_cluster.cpp
extern const Hook kLeaseHook;          // hook_cluster.cpp
extern const Hook kNamespaceHook;      // hook_cluster.cpp
extern const Hook kNodeHook;           // hook_cluster.cpp
extern const Hook kPodHook;            // hook_pod.cpp
extern const Hook kServiceHook;        // hook_service.cpp

inline constexpr std::pair<std::string_view, const Hook*> kHooks[] = {
    {"config_map", &kConfigMapHook},
    {"deployment", &kDeploymentHook},
    {"endpoint_slice", &kEndpointSliceHook},
    {"endpoints", &kEndpointsHook},
    {"event", &kEventHook},
    {"lease", &kLeaseHook},
    {"namespace", &kNamespaceHook},
    {"node", &kNodeHook},
    {"pod", &kPodHook},
    {"replica_set", &kReplicaSetHook},
    {"secret", &kSecretHook},
    {"service", &kServiceHook},
};

}  // namespace orch::api
