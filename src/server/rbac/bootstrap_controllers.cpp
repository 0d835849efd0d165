// The role of each controller, for those who run it under a service account of its own.
// Facts: Kubernetes' bootstrap policy (rbac.authorization.k8s.io, 1.32). The form is told in
// bootstrap_policy.h.
#include "server/rbac/bootstrap_policy.h"

namespace orch::rbac {

std::string_view bootstrap_controllers() {
  return R"policy(
controller attachdetach-controller
  list,watch core: persistentvolumeclaims, persistentvolumes
  get,list,watch core: nodes
  patch,update core: nodes/status
  list,watch core: pods
  create,patch,update core,events.k8s.io: events
  create,delete,get,list,watch storage.k8s.io: volumeattachments
  get,list,watch storage.k8s.io: csidrivers
  get,list,watch storage.k8s.io: csinodes
controller certificate-controller
  delete,get,list,watch certificates.k8s.io: certificatesigningrequests
  update certificates.k8s.io: certificatesigningrequests/approval,
    certificatesigningrequests/status
  approve certificates.k8s.io: signers of kubernetes.io/kube-apiserver-client-kubelet
  sign certificates.k8s.io: signers
    of kubernetes.io/kube-apiserver-client, kubernetes.io/kube-apiserver-client-kubelet,
    kubernetes.io/kubelet-serving, kubernetes.io/legacy-unknown
  create authorization.k8s.io: subjectaccessreviews
  create,patch,update core,events.k8s.io: events
controller clusterrole-aggregation-controller
  escalate,get,list,patch,update,watch rbac.authorization.k8s.io: clusterroles
controller cronjob-controller
  get,list,update,watch batch: cronjobs
  create,delete,get,list,patch,update,watch batch: jobs
  update batch: cronjobs/status
  update batch: cronjobs/finalizers
  delete,list core: pods
  create,patch,update core,events.k8s.io: events
controller daemon-set-controller
  get,list,watch apps,extensions: daemonsets
  update apps,extensions: daemonsets/status
  update apps,extensions: daemonsets/finalizers
  list,watch core: nodes
  create,delete,list,patch,watch core: pods
  create core: pods/binding
  create,delete,get,list,patch,update,watch apps: controllerrevisions
  create,patch,update core,events.k8s.io: events
controller deployment-controller
  get,list,update,watch apps,extensions: deployments
  update apps,extensions: deployments/status
  update apps,extensions: deployments/finalizers
  create,delete,get,list,patch,update,watch apps,extensions: replicasets
  get,list,update,watch core: pods
  create,patch,update core,events.k8s.io: events
controller disruption-controller
  get,list,watch apps,extensions: deployments
  get,list,watch apps,extensions: replicasets
  get,list,watch core: replicationcontrollers
  get,list,watch policy: poddisruptionbudgets
  get,list,watch apps: statefulsets
  update policy: poddisruptionbudgets/status
  get *: */scale
  patch,update core: pods/status
  create,patch,update core,events.k8s.io: events
controller endpoint-controller
  get,list,watch core: pods, services
  create,delete,get,list,update core: endpoints
  create core: endpoints/restricted
  create,patch,update core,events.k8s.io: events
controller endpointslice-controller
  get,list,watch core: nodes, pods, services
  update core: services/finalizers
  create,delete,get,list,update discovery.k8s.io: endpointslices
  create,patch,update core,events.k8s.io: events
controller endpointslicemirroring-controller
  get,list,watch core: endpoints, services
  update core: services/finalizers
  update core: endpoints/finalizers
  create,delete,get,list,update discovery.k8s.io: endpointslices
  create,patch,update core,events.k8s.io: events
controller ephemeral-volume-controller
  get,list,watch core: pods
  update core: pods/finalizers
  create,get,list,watch core: persistentvolumeclaims
  create,patch,update core,events.k8s.io: events
controller expand-controller
  get,list,patch,update,watch core: persistentvolumes
  patch,update core: persistentvolumeclaims/status
  get,list,watch core: persistentvolumeclaims
  get,list,watch storage.k8s.io: storageclasses
  get core: endpoints, services
  get core: secrets
  create,patch,update core,events.k8s.io: events
controller generic-garbage-collector
  delete,get,list,patch,update,watch *: *
  create,patch,update core,events.k8s.io: events
controller horizontal-pod-autoscaler
  get,list,watch autoscaling: horizontalpodautoscalers
  update autoscaling: horizontalpodautoscalers/status
  get,update *: */scale
  list core: pods
  list metrics.k8s.io: pods
  get,list custom.metrics.k8s.io: *
  get,list external.metrics.k8s.io: *
  create,patch,update core,events.k8s.io: events
controller job-controller
  get,list,patch,update,watch batch: jobs
  update batch: jobs/status
  update batch: jobs/finalizers
  create,delete,list,patch,watch core: pods
  create,patch,update core,events.k8s.io: events
controller legacy-service-account-token-cleaner
  get core: configmaps of kube-apiserver-legacy-service-account-token-tracking
  delete,patch core: secrets
controller namespace-controller
  delete,get,list,watch core: namespaces
  update core: namespaces/finalize, namespaces/status
  delete,deletecollection,get,list *: *
controller node-controller
  delete,get,list,patch,update core: nodes
  patch,update core: nodes/status
  patch,update core: pods/status
  delete,get,list core: pods
  create,patch,update core,events.k8s.io: events
controller persistent-volume-binder
  create,delete,get,list,update,watch core: persistentvolumes
  update core: persistentvolumes/status
  get,list,update,watch core: persistentvolumeclaims
  update core: persistentvolumeclaims/status
  create,delete,get,list,watch core: pods
  get,list,watch storage.k8s.io: storageclasses
  create,delete,get,update core: endpoints
  create,delete,get core: services
  get core: secrets
  get,list core: nodes
  watch core: events
  create,patch,update core,events.k8s.io: events
controller pod-garbage-collector
  delete,list,watch core: pods
  get,list core: nodes
  patch core: pods/status
controller pv-protection-controller
  get,list,update,watch core: persistentvolumes
  create,patch,update core,events.k8s.io: events
controller pvc-protection-controller
  get,list,update,watch core: persistentvolumeclaims
  get,list,watch core: pods
  create,patch,update core,events.k8s.io: events
controller replicaset-controller
  get,list,update,watch apps,extensions: replicasets
  update apps,extensions: replicasets/status
  update apps,extensions: replicasets/finalizers
  create,delete,list,patch,watch core: pods
  create,patch,update core,events.k8s.io: events
controller replication-controller
  get,list,update,watch core: replicationcontrollers
  update core: replicationcontrollers/status
  update core: replicationcontrollers/finalizers
  create,delete,list,patch,watch core: pods
  create,patch,update core,events.k8s.io: events
controller resourcequota-controller
  list,watch *: *
  update core: resourcequotas/status
  create,patch,update core,events.k8s.io: events
controller root-ca-cert-publisher
  create,update core: configmaps
  create,patch,update core,events.k8s.io: events
controller route-controller
  list,watch core: nodes
  patch core: nodes/status
  create,patch,update core,events.k8s.io: events
controller service-account-controller
  create core: serviceaccounts
  create,patch,update core,events.k8s.io: events
controller service-cidrs-controller (gate MultiCIDRServiceAllocator)
  get,list,patch,update,watch networking.k8s.io: servicecidrs
  patch,update networking.k8s.io: servicecidrs/finalizers
  patch,update networking.k8s.io: servicecidrs/status
  get,list,watch networking.k8s.io: ipaddresses
  create,patch,update core,events.k8s.io: events
controller service-controller
  get,list,watch core: services
  patch,update core: services/status
  list,watch core: nodes
  create,patch,update core,events.k8s.io: events
controller statefulset-controller
  list,watch core: pods
  get,list,watch apps: statefulsets
  update apps: statefulsets/status
  update apps: statefulsets/finalizers
  create,delete,get,patch,update core: pods
  create,delete,get,list,patch,update,watch apps: controllerrevisions
  create,get core: persistentvolumeclaims
  delete,update core: persistentvolumeclaims
  create,patch,update core,events.k8s.io: events
controller ttl-after-finished-controller
  delete,get,list,watch batch: jobs
  create,patch,update core,events.k8s.io: events
controller ttl-controller
  list,patch,update,watch core: nodes
  create,patch,update core,events.k8s.io: events
controller validatingadmissionpolicy-status-controller
  get,list,watch admissionregistration.k8s.io: validatingadmissionpolicies
  get,patch,update admissionregistration.k8s.io: validatingadmissionpolicies/status
  create,patch,update core,events.k8s.io: events
)policy";
}

}  // namespace orch::rbac
