// Every hook and the name that rows of the schema call it by. Included by hooks.cpp and tests.
#pragma once

#include <string_view>
#include <utility>

#include "api/hooks.h"

namespace orch::api {

extern const Hook kCertificateSigningRequestHook;  // hook_certificate.cpp
extern const Hook kClusterRoleBindingHook;         // hook_rbac.cpp
extern const Hook kClusterRoleHook;                // hook_rbac.cpp
extern const Hook kConfigMapHook;                  // hook_config.cpp
extern const Hook kControllerRevisionHook;         // hook_sets.cpp
extern const Hook kCronJobHook;                    // hook_job.cpp
extern const Hook kDaemonSetHook;                  // hook_sets.cpp
extern const Hook kDeploymentHook;                 // hook_workload.cpp
extern const Hook kEndpointSliceHook;              // hook_endpoints.cpp
extern const Hook kEndpointsHook;                  // hook_endpoints.cpp
extern const Hook kEventHook;                      // hook_cluster.cpp
extern const Hook kHorizontalPodAutoscalerHook;    // hook_scaling.cpp
extern const Hook kIngressClassHook;               // hook_network.cpp
extern const Hook kIngressHook;                    // hook_network.cpp
extern const Hook kJobHook;                        // hook_job.cpp
extern const Hook kLeaseHook;                      // hook_cluster.cpp
extern const Hook kLimitRangeHook;                 // hook_quota.cpp
extern const Hook kNamespaceHook;                  // hook_cluster.cpp
extern const Hook kNetworkPolicyHook;              // hook_network.cpp
extern const Hook kNodeHook;                       // hook_cluster.cpp
extern const Hook kPersistentVolumeClaimHook;      // hook_storage.cpp
extern const Hook kPersistentVolumeHook;           // hook_storage.cpp
extern const Hook kPodDisruptionBudgetHook;        // hook_scaling.cpp
extern const Hook kPodHook;                        // hook_pod.cpp
extern const Hook kPriorityClassHook;              // hook_quota.cpp
extern const Hook kReplicaSetHook;                 // hook_workload.cpp
extern const Hook kReplicationControllerHook;      // hook_sets.cpp
extern const Hook kResourceQuotaHook;              // hook_quota.cpp
extern const Hook kRoleBindingHook;                // hook_rbac.cpp
extern const Hook kRoleHook;                       // hook_rbac.cpp
extern const Hook kSecretHook;                     // hook_config.cpp
extern const Hook kServiceHook;                    // hook_service.cpp
extern const Hook kStatefulSetHook;                // hook_sets.cpp
extern const Hook kStorageClassHook;               // hook_storage.cpp

inline constexpr std::pair<std::string_view, const Hook*> kHooks[] = {
    {"certificate_signing_request", &kCertificateSigningRequestHook},
    {"cluster_role", &kClusterRoleHook},
    {"cluster_role_binding", &kClusterRoleBindingHook},
    {"config_map", &kConfigMapHook},
    {"controller_revision", &kControllerRevisionHook},
    {"cron_job", &kCronJobHook},
    {"daemon_set", &kDaemonSetHook},
    {"deployment", &kDeploymentHook},
    {"endpoint_slice", &kEndpointSliceHook},
    {"endpoints", &kEndpointsHook},
    {"event", &kEventHook},
    {"horizontal_pod_autoscaler", &kHorizontalPodAutoscalerHook},
    {"ingress", &kIngressHook},
    {"ingress_class", &kIngressClassHook},
    {"job", &kJobHook},
    {"lease", &kLeaseHook},
    {"limit_range", &kLimitRangeHook},
    {"namespace", &kNamespaceHook},
    {"network_policy", &kNetworkPolicyHook},
    {"node", &kNodeHook},
    {"persistent_volume", &kPersistentVolumeHook},
    {"persistent_volume_claim", &kPersistentVolumeClaimHook},
    {"pod", &kPodHook},
    {"pod_disruption_budget", &kPodDisruptionBudgetHook},
    {"priority_class", &kPriorityClassHook},
    {"replica_set", &kReplicaSetHook},
    {"replication_controller", &kReplicationControllerHook},
    {"resource_quota", &kResourceQuotaHook},
    {"role", &kRoleHook},
    {"role_binding", &kRoleBindingHook},
    {"secret", &kSecretHook},
    {"service", &kServiceHook},
    {"stateful_set", &kStatefulSetHook},
    {"storage_class", &kStorageClassHook},
};

}  // namespace orch::api
