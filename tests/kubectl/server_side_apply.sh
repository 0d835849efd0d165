# apply --server-side: owners, conflicts in Kubernetes' words, taking over, letting go.
cm() { printf '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{%s}}' "$1"; }
has "$(cm '"a":"1","b":"1"' | k -n "$ns" apply --server-side -f -)" "configmap/c serverside-applied"
same "$(k -n "$ns" get cm c --show-managed-fields -o jsonpath='{.metadata.managedFields[0].manager} {.metadata.managedFields[0].operation}')" "kubectl Apply"
out=$(cm '"a":"2"' | k -n "$ns" apply --server-side --field-manager=other -f - 2>&1 || true)
has "$out" 'Apply failed with 1 conflict: conflict with "kubectl": .data.a'
cm '"a":"2"' | k -n "$ns" apply --server-side --field-manager=other --force-conflicts -f -
same "$(k -n "$ns" get cm c -o jsonpath='{.data}')" '{"a":"2","b":"1"}'
# What its owner leaves out goes away; what somebody else owns stays.
cm '"c":"3"' | k -n "$ns" apply --server-side -f -
same "$(k -n "$ns" get cm c -o jsonpath='{.data}')" '{"a":"2","c":"3"}'
revision=$(k -n "$ns" get cm c -o jsonpath='{.metadata.resourceVersion}')
cm '"c":"3"' | k -n "$ns" apply --server-side -f -
same "$(k -n "$ns" get cm c -o jsonpath='{.metadata.resourceVersion}')" "$revision"
# A plain update owns what it changes.
k -n "$ns" create deployment d --image=busybox:1 --replicas=1
k -n "$ns" scale deployment d --replicas=0
has "$(k -n "$ns" get deployment d --show-managed-fields -o yaml)" "operation: Update"
out=$(k -n "$ns" create deployment d --image=busybox:2 --replicas=1 --dry-run=client -o yaml | k -n "$ns" apply --server-side -f - 2>&1 || true)
has "$out" "conflict"
