// Every hook and the name that rows of the schema call it by. Included by hooks.cpp and tests.
#pragma once

#include <string_view>
#include <utility>

#include "api/hooks.h"

namespace orch::api {

extern const Hook kApiServiceHook;                        // hook_extension.cpp
extern const Hook kCertificateSigningRequestHook;         // hook_certificate.cpp
extern const Hook kClusterRoleBindingHook;                // hook_rbac.cpp
extern const Hook kClusterRoleHook;                       // hook_rbac.cpp
extern const Hook kConfigMapHook;                         // hook_config.cpp
extern const Hook kControllerRevisionHook;                // hook_sets.cpp
extern const Hook kCronJobHook;                           // hook_job.cpp
extern const Hook kCsiDriverHook;                         // hook_csi.cpp
extern const Hook kCsiNodeHook;                           // hook_csi.cpp
extern const Hook kCsiStorageCapacityHook;                // hook_csi.cpp
extern const Hook kCustomResourceDefinitionHook;          // hook_extension.cpp
extern const Hook kDaemonSetHook;                         // hook_sets.cpp
extern const Hook kDeploymentHook;                        // hook_workload.cpp
extern const Hook kEndpointSliceHook;                     // hook_endpoints.cpp
extern const Hook kEndpointsHook;                         // hook_endpoints.cpp
extern const Hook kEventHook;                             // hook_event.cpp
extern const Hook kFlowSchemaHook;                        // hook_flow.cpp
extern const Hook kHorizontalPodAutoscalerHook;           // hook_scaling.cpp
extern const Hook kIngressClassHook;                      // hook_network.cpp
extern const Hook kIngressHook;                           // hook_network.cpp
extern const Hook kJobHook;                               // hook_job.cpp
extern const Hook kLeaseHook;                             // hook_cluster.cpp
extern const Hook kLimitRangeHook;                        // hook_quota.cpp
extern const Hook kMutatingWebhooksHook;                  // hook_admission.cpp
extern const Hook kNamespaceHook;                         // hook_cluster.cpp
extern const Hook kNetworkPolicyHook;                     // hook_network.cpp
extern const Hook kNewEventHook;                          // hook_event.cpp
extern const Hook kNodeHook;                              // hook_cluster.cpp
extern const Hook kOldAutoscalerHook;                     // hook_autoscaler_v1.cpp
extern const Hook kPersistentVolumeClaimHook;             // hook_storage.cpp
extern const Hook kPersistentVolumeHook;                  // hook_storage.cpp
extern const Hook kPodDisruptionBudgetHook;               // hook_scaling.cpp
extern const Hook kPodHook;                               // hook_pod.cpp
extern const Hook kPodTemplateHook;                       // hook_sets.cpp
extern const Hook kPriorityClassHook;                     // hook_quota.cpp
extern const Hook kPriorityLevelConfigurationHook;        // hook_flow.cpp
extern const Hook kReplicaSetHook;                        // hook_workload.cpp
extern const Hook kReplicationControllerHook;             // hook_sets.cpp
extern const Hook kResourceQuotaHook;                     // hook_quota.cpp
extern const Hook kRoleBindingHook;                       // hook_rbac.cpp
extern const Hook kRoleHook;                              // hook_rbac.cpp
extern const Hook kRuntimeClassHook;                      // hook_cluster.cpp
extern const Hook kSecretHook;                            // hook_config.cpp
extern const Hook kServiceHook;                           // hook_service.cpp
extern const Hook kStatefulSetHook;                       // hook_sets.cpp
extern const Hook kStorageClassHook;                      // hook_storage.cpp
extern const Hook kValidatingAdmissionPolicyBindingHook;  // hook_admission.cpp
extern const Hook kValidatingAdmissionPolicyHook;         // hook_admission.cpp
extern const Hook kValidatingWebhooksHook;                // hook_admission.cpp
extern const Hook kVolumeAttachmentHook;                  // hook_csi.cpp

inline constexpr std::pair<std::string_view, const Hook*> kHooks[] = {
    {"api_service", &kApiServiceHook},
    {"certificate_signing_request", &kCertificateSigningRequestHook},
    {"cluster_role", &kClusterRoleHook},
    {"cluster_role_binding", &kClusterRoleBindingHook},
    {"config_map", &kConfigMapHook},
    {"controller_revision", &kControllerRevisionHook},
    {"cron_job", &kCronJobHook},
    {"csi_driver", &kCsiDriverHook},
    {"csi_node", &kCsiNodeHook},
    {"csi_storage_capacity", &kCsiStorageCapacityHook},
    {"custom_resource_definition", &kCustomResourceDefinitionHook},
    {"daemon_set", &kDaemonSetHook},
    {"deployment", &kDeploymentHook},
    {"endpoint_slice", &kEndpointSliceHook},
    {"endpoints", &kEndpointsHook},
    {"event", &kEventHook},
    {"event_v1", &kNewEventHook},
    {"flow_schema", &kFlowSchemaHook},
    {"horizontal_pod_autoscaler", &kHorizontalPodAutoscalerHook},
    {"horizontal_pod_autoscaler_v1", &kOldAutoscalerHook},
    {"ingress", &kIngressHook},
    {"ingress_class", &kIngressClassHook},
    {"job", &kJobHook},
    {"lease", &kLeaseHook},
    {"limit_range", &kLimitRangeHook},
    {"mutating_webhooks", &kMutatingWebhooksHook},
    {"namespace", &kNamespaceHook},
    {"network_policy", &kNetworkPolicyHook},
    {"node", &kNodeHook},
    {"persistent_volume", &kPersistentVolumeHook},
    {"persistent_volume_claim", &kPersistentVolumeClaimHook},
    {"pod", &kPodHook},
    {"pod_disruption_budget", &kPodDisruptionBudgetHook},
    {"pod_template", &kPodTemplateHook},
    {"priority_class", &kPriorityClassHook},
    {"priority_level_configuration", &kPriorityLevelConfigurationHook},
    {"replica_set", &kReplicaSetHook},
    {"replication_controller", &kReplicationControllerHook},
    {"resource_quota", &kResourceQuotaHook},
    {"role", &kRoleHook},
    {"role_binding", &kRoleBindingHook},
    {"runtime_class", &kRuntimeClassHook},
    {"secret", &kSecretHook},
    {"service", &kServiceHook},
    {"stateful_set", &kStatefulSetHook},
    {"storage_class", &kStorageClassHook},
    {"validating_admission_policy", &kValidatingAdmissionPolicyHook},
    {"validating_admission_policy_binding", &kValidatingAdmissionPolicyBindingHook},
    {"validating_webhooks", &kValidatingWebhooksHook},
    {"volume_attachment", &kVolumeAttachmentHook},
};

}  // namespace orch::api
