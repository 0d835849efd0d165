// The roles that users and the cluster's own parts find in every cluster, and who has them.
// Facts: Kubernetes' bootstrap policy (rbac.authorization.k8s.io, 1.32). The form is told in
// bootstrap_policy.h.
#include "server/rbac/bootstrap_policy.h"

namespace orch::rbac {

std::string_view bootstrap_roles() {
  return R"policy(
clusterrole admin from=aggregate-to-admin
clusterrole cluster-admin
  * *: *
  * url: *
clusterrole edit +aggregate-to-admin from=aggregate-to-edit
clusterrole system:aggregate-to-admin +aggregate-to-admin
  create authorization.k8s.io: localsubjectaccessreviews
  create,delete,deletecollection,get,list,patch,update,watch rbac.authorization.k8s.io:
    rolebindings, roles
clusterrole system:aggregate-to-edit +aggregate-to-edit
  get,list,watch core: pods/attach, pods/exec, pods/portforward, pods/proxy, secrets,
    services/proxy
  impersonate core: serviceaccounts
  create,delete,deletecollection,patch,update core: pods, pods/attach, pods/exec,
    pods/portforward, pods/proxy
  create core: pods/eviction
  create,delete,deletecollection,patch,update core: configmaps, events, persistentvolumeclaims,
    replicationcontrollers, replicationcontrollers/scale, secrets, serviceaccounts, services,
    services/proxy
  create core: serviceaccounts/token
  create,delete,deletecollection,patch,update apps: daemonsets, deployments,
    deployments/rollback, deployments/scale, replicasets, replicasets/scale, statefulsets,
    statefulsets/scale
  create,delete,deletecollection,patch,update autoscaling: horizontalpodautoscalers
  create,delete,deletecollection,patch,update batch: cronjobs, jobs
  create,delete,deletecollection,patch,update extensions: daemonsets, deployments,
    deployments/rollback, deployments/scale, ingresses, networkpolicies, replicasets,
    replicasets/scale, replicationcontrollers/scale
  create,delete,deletecollection,patch,update policy: poddisruptionbudgets
  create,delete,deletecollection,patch,update networking.k8s.io: ingresses, networkpolicies
  create,delete,deletecollection,get,list,patch,update,watch coordination.k8s.io: leases
clusterrole system:aggregate-to-view +aggregate-to-view
  get,list,watch core: configmaps, endpoints, persistentvolumeclaims,
    persistentvolumeclaims/status, pods, replicationcontrollers, replicationcontrollers/scale,
    serviceaccounts, services, services/status
  get,list,watch core: bindings, events, limitranges, namespaces/status, pods/log, pods/status,
    replicationcontrollers/status, resourcequotas, resourcequotas/status
  get,list,watch core: namespaces
  get,list,watch discovery.k8s.io: endpointslices
  get,list,watch apps: controllerrevisions, daemonsets, daemonsets/status, deployments,
    deployments/scale, deployments/status, replicasets, replicasets/scale, replicasets/status,
    statefulsets, statefulsets/scale, statefulsets/status
  get,list,watch autoscaling: horizontalpodautoscalers, horizontalpodautoscalers/status
  get,list,watch batch: cronjobs, cronjobs/status, jobs, jobs/status
  get,list,watch extensions: daemonsets, daemonsets/status, deployments, deployments/scale,
    deployments/status, ingresses, ingresses/status, networkpolicies, replicasets,
    replicasets/scale, replicasets/status, replicationcontrollers/scale
  get,list,watch policy: poddisruptionbudgets, poddisruptionbudgets/status
  get,list,watch networking.k8s.io: ingresses, ingresses/status, networkpolicies
clusterrole system:auth-delegator
  create authentication.k8s.io: tokenreviews
  create authorization.k8s.io: subjectaccessreviews
clusterrole system:basic-user
  create authorization.k8s.io: selfsubjectaccessreviews, selfsubjectrulesreviews
  create authentication.k8s.io: selfsubjectreviews
clusterrole system:certificates.k8s.io:certificatesigningrequests:nodeclient
  create certificates.k8s.io: certificatesigningrequests/nodeclient
clusterrole system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
  create certificates.k8s.io: certificatesigningrequests/selfnodeclient
clusterrole system:certificates.k8s.io:kube-apiserver-client-approver
  approve certificates.k8s.io: signers of kubernetes.io/kube-apiserver-client
clusterrole system:certificates.k8s.io:kube-apiserver-client-kubelet-approver
  approve certificates.k8s.io: signers of kubernetes.io/kube-apiserver-client-kubelet
clusterrole system:certificates.k8s.io:kubelet-serving-approver
  approve certificates.k8s.io: signers of kubernetes.io/kubelet-serving
clusterrole system:certificates.k8s.io:legacy-unknown-approver
  approve certificates.k8s.io: signers of kubernetes.io/legacy-unknown
clusterrole system:discovery
  get url: /api, /api/*, /apis, /apis/*, /healthz, /livez, /openapi, /openapi/*, /readyz,
    /version, /version/
clusterrole system:heapster
  get,list,watch core: events, namespaces, nodes, pods
  get,list,watch extensions: deployments
clusterrole system:kube-aggregator
  get,list,watch core: endpoints, services
clusterrole system:kube-controller-manager
  create,patch,update core,events.k8s.io: events
  create coordination.k8s.io: leases
  get,update coordination.k8s.io: leases of kube-controller-manager
  create core: secrets, serviceaccounts
  delete core: secrets
  get core: configmaps, namespaces, secrets, serviceaccounts
  update core: secrets, serviceaccounts
  create authentication.k8s.io: tokenreviews
  create authorization.k8s.io: subjectaccessreviews
  list,watch *: *
  create core: serviceaccounts/token
clusterrole system:kube-dns
  list,watch core: endpoints, services
clusterrole system:kube-scheduler
  create,patch,update core,events.k8s.io: events
  create coordination.k8s.io: leases
  get,update coordination.k8s.io: leases of kube-scheduler
  get,list,watch core: nodes
  delete,get,list,watch core: pods
  create core: bindings, pods/binding
  patch,update core: pods/status
  get,list,watch core: replicationcontrollers, services
  get,list,watch apps,extensions: replicasets
  get,list,watch apps: statefulsets
  get,list,watch policy: poddisruptionbudgets
  get,list,watch core: persistentvolumeclaims, persistentvolumes
  create authentication.k8s.io: tokenreviews
  create authorization.k8s.io: subjectaccessreviews
  get,list,watch storage.k8s.io: csinodes
  get,list,watch core: namespaces
  get,list,watch storage.k8s.io: csidrivers
  get,list,watch storage.k8s.io: csistoragecapacities
clusterrole system:kubelet-api-admin
  get,list,watch core: nodes
  proxy core: nodes
  * core: nodes/log, nodes/metrics, nodes/proxy, nodes/stats
clusterrole system:monitoring
  get url: /healthz, /healthz/*, /livez, /livez/*, /metrics, /metrics/slis, /readyz, /readyz/*
clusterrole system:node
  create authentication.k8s.io: tokenreviews
  create authorization.k8s.io: localsubjectaccessreviews, subjectaccessreviews
  get,list,watch core: services
  create,get,list,watch core: nodes
  patch,update core: nodes/status
  patch,update core: nodes
  create,patch,update core: events
  get,list,watch core: pods
  create,delete core: pods
  patch,update core: pods/status
  create core: pods/eviction
  get,list,watch core: configmaps, secrets
  get core: persistentvolumeclaims, persistentvolumes
  get core: endpoints
  create,get,list,watch certificates.k8s.io: certificatesigningrequests
  create,delete,get,patch,update coordination.k8s.io: leases
  get storage.k8s.io: volumeattachments
  create core: serviceaccounts/token
  get,patch,update core: persistentvolumeclaims/status
  get,list,watch storage.k8s.io: csidrivers
  create,delete,get,patch,update storage.k8s.io: csinodes
  get,list,watch node.k8s.io: runtimeclasses
clusterrole system:node-bootstrapper
  create,get,list,watch certificates.k8s.io: certificatesigningrequests
clusterrole system:node-problem-detector
  get core: nodes
  patch core: nodes/status
  create,patch,update core,events.k8s.io: events
clusterrole system:node-proxier
  list,watch core: endpoints, services
  get,list,watch core: nodes
  create,patch,update core,events.k8s.io: events
  list,watch discovery.k8s.io: endpointslices
clusterrole system:persistent-volume-provisioner
  create,delete,get,list,watch core: persistentvolumes
  get,list,update,watch core: persistentvolumeclaims
  get,list,watch storage.k8s.io: storageclasses
  watch core: events
  create,patch,update core,events.k8s.io: events
clusterrole system:public-info-viewer
  get url: /healthz, /livez, /readyz, /version, /version/
clusterrole system:service-account-issuer-discovery
  get url: /.well-known/openid-configuration, /openid/v1/jwks
clusterrole system:volume-scheduler
  get,list,patch,update,watch core: persistentvolumes
  get,list,watch storage.k8s.io: storageclasses
  get,list,patch,update,watch core: persistentvolumeclaims
clusterrole view +aggregate-to-edit from=aggregate-to-view
role kube-public/system:controller:bootstrap-signer
  get,list,watch core: configmaps
  update core: configmaps of cluster-info
  create,patch,update core,events.k8s.io: events
role kube-system/extension-apiserver-authentication-reader
  get,list,watch core: configmaps of extension-apiserver-authentication
role kube-system/system::leader-locking-kube-controller-manager
  watch core: configmaps
  get,update core: configmaps of kube-controller-manager
role kube-system/system::leader-locking-kube-scheduler
  watch core: configmaps
  get,update core: configmaps of kube-scheduler
role kube-system/system:controller:bootstrap-signer
  get,list,watch core: secrets
role kube-system/system:controller:cloud-provider
  create,get,list,watch core: configmaps
role kube-system/system:controller:token-cleaner
  delete,get,list,watch core: secrets
  create,patch,update core,events.k8s.io: events
clusterbinding cluster-admin
  Group:system:masters
clusterbinding system:basic-user
  Group:system:authenticated
clusterbinding system:discovery
  Group:system:authenticated
clusterbinding system:kube-controller-manager
  User:system:kube-controller-manager
clusterbinding system:kube-dns
  ServiceAccount:kube-system/kube-dns
clusterbinding system:kube-scheduler
  User:system:kube-scheduler
clusterbinding system:monitoring
  Group:system:monitoring
clusterbinding system:node
clusterbinding system:node-proxier
  User:system:kube-proxy
clusterbinding system:public-info-viewer
  Group:system:authenticated
  Group:system:unauthenticated
clusterbinding system:service-account-issuer-discovery
  Group:system:serviceaccounts
clusterbinding system:volume-scheduler
  User:system:kube-scheduler
binding kube-public/system:controller:bootstrap-signer
  ServiceAccount:kube-system/bootstrap-signer
binding kube-system/system::extension-apiserver-authentication-reader
    to=extension-apiserver-authentication-reader
  User:system:kube-controller-manager
  User:system:kube-scheduler
binding kube-system/system::leader-locking-kube-controller-manager
  User:system:kube-controller-manager
  ServiceAccount:kube-system/kube-controller-manager
binding kube-system/system::leader-locking-kube-scheduler
  User:system:kube-scheduler
  ServiceAccount:kube-system/kube-scheduler
binding kube-system/system:controller:bootstrap-signer
  ServiceAccount:kube-system/bootstrap-signer
binding kube-system/system:controller:cloud-provider
  ServiceAccount:kube-system/cloud-provider
binding kube-system/system:controller:token-cleaner
  ServiceAccount:kube-system/token-cleaner
)policy";
}

}  // namespace orch::rbac
