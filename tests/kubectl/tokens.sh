# Tokens: what they are bound to, who they are for, and how they end.
with() {
  local token=$1
  shift
  inside kubectl --kubeconfig=/dev/null --server="https://$node_ip:6443" --insecure-skip-tls-verify --token="$token" "$@"
}
unknown='Unauthorized\|must be logged in\|provide credentials'
# review TOKEN [AUDIENCE]
review() {
  local audiences=""
  [ -z "${2:-}" ] || audiences=",\"audiences\":[\"$2\"]"
  k create -f - -o json <<EOF
{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"$1"$audiences}}
EOF
}
k -n "$ns" create serviceaccount robot
token=$(k -n "$ns" create token robot)
has "$(review "$token")" '"authenticated": true'
has "$(review "$token")" '"https://kubernetes.default.svc.cluster.local"'
has "$(review "$token")" 'authentication.kubernetes.io/credential-id'
has "$(review "$token" other)" '"error": "invalid bearer token"'
theirs=$(k -n "$ns" create token robot --audience=other)
has "$(review "$theirs" other)" '"authenticated": true'
has "$(with "$theirs" get pods 2>&1 || true)" "$unknown"

# A token ends with what it is bound to.
k -n "$ns" run p --image=busybox:1 --overrides='{"spec":{"serviceAccountName":"robot","terminationGracePeriodSeconds":0}}' --command -- sleep 1000
k -n "$ns" wait --for=condition=Ready pod/p --timeout=30s
of_pod=$(k -n "$ns" create token robot --bound-object-kind=Pod --bound-object-name=p)
claims=$(cut -d. -f2 <<<"$of_pod" | tr '_-' '/+' | base64 -d 2>/dev/null || true)
has "$claims" '"node":{"name":"node-1","uid":"'
has "$(with "$of_pod" auth whoami -o json)" 'authentication.kubernetes.io/node-name'
k create --raw "/api/v1/namespaces/$ns/serviceaccounts/robot/token" -f - >"$work/of-node.json" <<EOF
{"spec":{"boundObjectRef":{"apiVersion":"v1","kind":"Node","name":"node-1"}}}
EOF
of_node=$(sed 's/.*"token":"\([^"]*\)".*/\1/' "$work/of-node.json")
has "$(with "$of_node" auth whoami -o json)" 'authentication.kubernetes.io/node-uid'
k -n "$ns" delete pod p --wait
has "$(with "$of_pod" auth whoami 2>&1 || true)" "$unknown"
has "$(k -n "$ns" create token robot --bound-object-kind=Pod --bound-object-name=p 2>&1 || true)" 'pods "p" not found'
has "$(k -n "$ns" create token robot --duration=5m 2>&1 || true)" 'may not specify a duration less than 10 minutes'

# The old way: a Secret that is filled, good until it is deleted.
k -n "$ns" apply -f - <<EOF
apiVersion: v1
kind: Secret
metadata: {name: old, annotations: {kubernetes.io/service-account.name: robot}}
type: kubernetes.io/service-account-token
EOF
k -n "$ns" wait --for=jsonpath='{.data.token}' secret/old --timeout=10s
old=$(k -n "$ns" get secret old -o jsonpath='{.data.token}' | base64 -d)
same "$(with "$old" auth whoami -o jsonpath='{.status.userInfo.username}')" "system:serviceaccount:$ns:robot"
has "$(k -n "$ns" get secret old -o jsonpath='{.data.ca\.crt}' | base64 -d)" 'BEGIN CERTIFICATE'
k -n "$ns" delete secret old
has "$(with "$old" auth whoami 2>&1 || true)" "$unknown"
k -n "$ns" apply -f - <<EOF
apiVersion: v1
kind: Secret
metadata: {name: old-2, annotations: {kubernetes.io/service-account.name: robot}}
type: kubernetes.io/service-account-token
EOF
k -n "$ns" wait --for=jsonpath='{.data.token}' secret/old-2 --timeout=10s
k -n "$ns" delete serviceaccount robot
k -n "$ns" wait --for=delete secret/old-2 --timeout=10s
has "$(with "$token" auth whoami 2>&1 || true)" "$unknown"

# Bootstrap tokens, as kubeadm makes them.
bootstrap() {
  local expiration=""
  [ -z "${2:-}" ] || expiration="expiration: '$2'"
  k apply -f - <<EOF
apiVersion: v1
kind: Secret
metadata: {name: bootstrap-token-abcdef, namespace: kube-system}
type: bootstrap.kubernetes.io/token
stringData:
  token-id: abcdef
  token-secret: 0123456789abcdef
  usage-bootstrap-authentication: "$1"
  auth-extra-groups: system:bootstrappers:testers
  $expiration
EOF
}
bootstrap true
same "$(with abcdef.0123456789abcdef auth whoami -o jsonpath='{.status.userInfo.username} {.status.userInfo.groups}')" \
  'system:bootstrap:abcdef ["system:bootstrappers","system:bootstrappers:testers","system:authenticated"]'
has "$(with abcdef.0123456789abcdex auth whoami 2>&1 || true)" "$unknown"
bootstrap false
has "$(with abcdef.0123456789abcdef auth whoami 2>&1 || true)" "$unknown"
bootstrap true 2020-01-01T00:00:00Z
k -n kube-system wait --for=delete secret/bootstrap-token-abcdef --timeout=10s

# What others check tokens with.
has "$(k get --raw /.well-known/openid-configuration)" '"issuer":"https://kubernetes.default.svc.cluster.local"'
has "$(k get --raw /openid/v1/jwks)" '"kty":"EC"'
same "$(k create -f - -o jsonpath='{.status.allowed}' <<<'{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"user":"system:node:a","groups":["system:nodes"],"resourceAttributes":{"verb":"list","resource":"pods","fieldSelector":{"requirements":[{"key":"spec.nodeName","operator":"In","values":["a"]}]}}}}')" true
has "$(k create -f - 2>&1 <<<'{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}}' || true)" 'at least one of user or group must be specified'
