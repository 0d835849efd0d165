# Upgrades through pods/proxy and services/proxy: a WebSocket to a server in a pod, and to an
# endpoint that is no pod.
command -v python3 >/dev/null || { echo "needs python3"; exit 1; }
here_proxy=$root/tests/kubectl
become_inside python3 "$here_proxy/websocket_echo.py" $node_ip 18099 >"$work/echo.log" 2>&1 &
echo_pid=$!
trap 'kill $echo_pid 2>/dev/null || true' EXIT
wait_for_line "$work/echo.log" listening $echo_pid 15
# With the host's network, so that the server above is "in" it.
k -n "$ns" apply -f - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: p}}
spec:
  hostNetwork: true
  terminationGracePeriodSeconds: 0
  containers:
  - {name: main, image: "busybox:1", command: [sleep, "1000"]}
---
apiVersion: v1
kind: Service
metadata: {name: of-pod}
spec: {selector: {app: p}, ports: [{port: 80, targetPort: 18099}]}
---
apiVersion: v1
kind: Service
metadata: {name: by-hand}
spec: {ports: [{port: 80, targetPort: 18099}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: by-hand}
subsets: [{addresses: [{ip: $node_ip}], ports: [{port: 18099}]}]
YAML
k -n "$ns" wait --for=condition=Ready pod/p --timeout=30s
k -n "$ns" wait --for=jsonpath='{.subsets[0].addresses[0].ip}' endpoints/of-pod --timeout=15s
# shellcheck source=tests/kubectl/admin.bash
source "$root/tests/kubectl/admin.bash"
web() {
  inside timeout 20 python3 "$here_proxy/websocket_streams.py" "$(field server)" "$work/ca.pem" "$@"
}
long=$(printf '%*s' 5000 '' | tr ' ' x)
for path in pods/p:18099 services/of-pod services/by-hand; do
  same "$(web "$work/admin.pem" - "/api/v1/namespaces/$ns/$path/proxy/a/b?c=d" "said $long")" \
    "$(printf '/a/b?c=d \nsaid %s' "$long")"
done
# Without an upgrade the same server's refusal comes back.
has "$(k get --raw "/api/v1/namespaces/$ns/services/by-hand/proxy/" 2>&1 || true)" "426\|Upgrade Required\|unknown"
# A browser shows its token as a subprotocol; who may not is told so.
token=$(tr -d '\n' <"$work/data/server/tls/admin.token" | base64 -w0 | tr '+/' '-_' | tr -d '=')
bearer=base64url.bearer.authorization.k8s.io.
same "$(web - "$bearer$token, x" "/api/v1/namespaces/$ns/pods/p:18099/proxy/" hello)" "$(printf '/ \nhello')"
has "$(web - "$bearer${token}AAAA, x" "/api/v1/namespaces/$ns/pods/p:18099/proxy/" 2>&1 || true)" ' 401 '
has "$(web - x "/api/v1/namespaces/$ns/pods/p:18099/proxy/" 2>&1 || true)" ' 403 .*system:anonymous'
kill $echo_pid
k -n "$ns" delete service of-pod by-hand
k -n "$ns" delete pod p --now
