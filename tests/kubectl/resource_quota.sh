# A quota says what is used, refuses what is too much, and counts again when something goes.
k -n "$ns" create quota q --hard=pods=2,configmaps=3,count/deployments.apps=1
k -n "$ns" wait quota/q --for=jsonpath='{.status.used.configmaps}'=1 --timeout=10s
k -n "$ns" create configmap a
k -n "$ns" create configmap b
has "$(k -n "$ns" create configmap c 2>&1 || true)" 'configmaps "c" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=3, limited: configmaps=3'
k -n "$ns" wait quota/q --for=jsonpath='{.status.used.configmaps}'=3 --timeout=10s
k -n "$ns" delete configmap a
k -n "$ns" create configmap c
k -n "$ns" create deployment d --image=busybox:1 --replicas=3 -- sleep 1000
has "$(k -n "$ns" create deployment e --image=busybox:1 -- sleep 1 2>&1 || true)" 'exceeded quota: q, requested: count/deployments.apps=1'
k -n "$ns" wait deployment/d --for=jsonpath='{.status.readyReplicas}'=2 --timeout=30s
k -n "$ns" wait deployment/d --for=condition=ReplicaFailure --timeout=10s
k -n "$ns" wait quota/q --for=jsonpath='{.status.used.pods}'=2 --timeout=10s
has "$(k -n "$ns" describe quota q)" 'pods *2 *2'
k -n "$ns" delete deployment d --cascade=orphan
k -n "$ns" delete replicasets,pods --all --now
k -n "$ns" wait quota/q --for=jsonpath='{.status.used.pods}'=0 --timeout=20s
