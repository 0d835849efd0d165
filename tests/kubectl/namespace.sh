# A namespace comes with its account and ends with its content.
k create namespace "$ns-x"
k -n "$ns-x" wait --for=jsonpath='{.metadata.name}'=default serviceaccount/default --timeout=10s
k -n "$ns-x" get configmap kube-root-ca.crt -o jsonpath='{.data.ca\.crt}' | grep >/dev/null 'BEGIN CERTIFICATE'
k -n "$ns-x" create configmap c
k -n "$ns-x" run p --image=busybox:1 --overrides='{"spec":{"terminationGracePeriodSeconds":0}}' --command -- sleep 1000
k delete namespace "$ns-x" --timeout=60s
has "$(k get namespace "$ns-x" 2>&1 || true)" "not found"
has "$(k -n "$ns-x" create configmap d 2>&1 || true)" "namespaces \"$ns-x\" not found"
has "$(k delete namespace default 2>&1 || true)" "forbidden"
