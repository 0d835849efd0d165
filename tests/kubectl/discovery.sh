# api-resources, api-versions, explain, events.
out=$(k api-resources)
has "$out" "^pods  *po  *v1  *true  *Pod"
has "$out" "^deployments  *deploy  *apps/v1  *true  *Deployment"
has "$out" "^nodes  *no  *v1  *false  *Node"
out=$(k api-versions)
for version in v1 apps/v1 discovery.k8s.io/v1 coordination.k8s.io/v1; do has "$out" "^$version$"; done
has "$(k explain pod.spec.containers)" "FIELDS:"
has "$(k explain deployment.spec.replicas)" "replicas <integer>"
k -n "$ns" run p --image=busybox:1 --command -- sleep 1000
k -n "$ns" wait --for=condition=Ready pod/p --timeout=30s
has "$(k -n "$ns" events)" "Scheduled"
has "$(k -n "$ns" get events)" "LAST SEEN  *TYPE  *REASON  *OBJECT  *MESSAGE"
has "$(k get --raw /openapi/v3)" "apis/apps/v1"
has "$(k cluster-info)" "is running at"
k -n "$ns" delete pod p --now
