# The token in a pod is one that the API server itself accepts, and it may little.
k -n "$ns" run p --image=busybox:1 --command -- sleep 1000
k -n "$ns" wait --for=condition=Ready pod/p --timeout=30s
token=$(k -n "$ns" exec p -- cat /var/run/secrets/kubernetes.io/serviceaccount/token)
server=https://$node_ip:6443
k -n "$ns" exec p -- cat /var/run/secrets/kubernetes.io/serviceaccount/ca.crt >"$work/ca.crt"
ask() { inside curl -s --max-time 5 --cacert "$work/ca.crt" -H "Authorization: Bearer $1" "$server$2"; }
has "$(ask "$token" /api/v1)" '"APIResourceList"'
has "$(ask "$token" "/api/v1/namespaces/$ns/secrets")" "secrets is forbidden: User \\\\\"system:serviceaccount:$ns:default\\\\\" cannot list resource"
has "$(ask broken /api)" '"Unauthorized"'
has "$(inside curl -s --max-time 5 --cacert "$work/ca.crt" $server/api)" 'User \\"system:anonymous\\" cannot get path \\"/api\\"'
same "$(inside curl -s --max-time 5 --cacert "$work/ca.crt" $server/readyz)" ok
has "$(k -n "$ns" create token default)" '\.'
k -n "$ns" delete pod p --now
