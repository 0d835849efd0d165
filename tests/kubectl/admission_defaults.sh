# What objects get from classes, and what holds them while they are used.
k apply -f - <<YAML
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: $ns-high}
value: 1000
preemptionPolicy: Never
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: $ns-fast, annotations: {storageclass.kubernetes.io/is-default-class: "true"}}
provisioner: example.com/none
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: $ns-web, annotations: {ingressclass.kubernetes.io/is-default-class: "true"}}
spec: {controller: example.com/web}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: c, namespace: $ns}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: i, namespace: $ns}
spec: {defaultBackend: {service: {name: s, port: {number: 80}}}}
---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: $ns}
spec:
  priorityClassName: $ns-high
  nodeSelector: {nowhere: "true"}
  containers: [{name: c, image: busybox:1}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: c}}]
YAML
same "$(k -n "$ns" get pod p -o jsonpath='{.spec.priority}/{.spec.preemptionPolicy}')" 1000/Never
same "$(k -n "$ns" get pvc c -o jsonpath='{.spec.storageClassName}')" "$ns-fast"
same "$(k -n "$ns" get ingress i -o jsonpath='{.spec.ingressClassName}')" "$ns-web"
has "$(k -n "$ns" run q --image=busybox:1 --overrides='{"spec":{"priorityClassName":"none"}}' 2>&1 || true)" 'no PriorityClass with name none was found'
has "$(k -n "$ns" run q --image=busybox:1 --overrides='{"spec":{"runtimeClassName":"none"}}' 2>&1 || true)" 'pod rejected: RuntimeClass "none" not found'
has "$(k get priorityclass)" 'system-node-critical'

# The claim stays as long as the pod uses it.
k -n "$ns" delete pvc c --wait=false
has "$(k -n "$ns" get pvc c -o jsonpath='{.metadata.deletionTimestamp}/{.metadata.finalizers}')" '^20.*pvc-protection'
k -n "$ns" delete pod p --now
k -n "$ns" wait pvc/c --for=delete --timeout=10s
k delete priorityclass/"$ns-high" storageclass/"$ns-fast" ingressclass/"$ns-web"
