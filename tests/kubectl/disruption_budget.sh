# A disruption budget is kept: drain waits for it, an eviction that it allows is counted.
deploy web 2
k -n "$ns" rollout status deployment/web --timeout=60s
k -n "$ns" create poddisruptionbudget web --selector=app=web --min-available=2
k -n "$ns" wait --for=jsonpath='{.status.currentHealthy}'=2 pdb/web --timeout=10s
same "$(k -n "$ns" get pdb web -o 'jsonpath={.status.expectedPods} {.status.desiredHealthy} {.status.disruptionsAllowed}')" "2 2 0"
pod=$(k -n "$ns" get pods -o name | sed -n 1p)
evict() {
  k create --raw "/api/v1/namespaces/$ns/pods/${pod#pod/}/eviction" -f - 2>&1 <<EOF
{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "${pod#pod/}"}}
EOF
}
has "$(evict || true)" "Cannot evict pod as it would violate the pod's disruption budget."
k -n "$ns" get "$pod"

k -n "$ns" patch pdb web --type=merge -p '{"spec":{"minAvailable":1}}'
k -n "$ns" wait --for=jsonpath='{.status.disruptionsAllowed}'=1 pdb/web --timeout=10s
has "$(evict)" Success
k -n "$ns" wait --for=delete "$pod" --timeout=30s
# Its Deployment makes another, and the budget has room again.
k -n "$ns" wait --for=jsonpath='{.status.disruptionsAllowed}'=1 pdb/web --timeout=30s
same "$(k -n "$ns" get pdb web -o 'jsonpath={.status.disruptedPods}')" ""
has "$(k -n "$ns" get pdb)" "web *1 *N/A *1"
k -n "$ns" delete deployment/web --now
