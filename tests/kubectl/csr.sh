# Certificates by request: asked for, approved, signed, used; and what is never signed.
dir=$work/csr
mkdir -p "$dir"
quiet() { openssl "$@" 2>/dev/null; }
# request NAME SUBJECT SIGNER USAGES [EXTENSION]: a CertificateSigningRequest with a key of its own.
request() {
  quiet req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" \
    ${5:+-addext "$5"} -keyout "$dir/$1.key" -out "$dir/$1.csr"
  k "${who[@]}" create -f - <<EOF
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: $1}
spec:
  request: $(base64 -w0 <"$dir/$1.csr")
  signerName: $3
  usages: [$4]
  ${expires:+expirationSeconds: $expires}
EOF
}
who=()
client=kubernetes.io/kube-apiserver-client
state() { k get csr "$1" -o jsonpath='{.status.conditions[*].type}'; }
certificate() { k wait --for=jsonpath='{.status.certificate}' --timeout=10s "csr/$1" >/dev/null; k get csr "$1" -o jsonpath='{.status.certificate}' | base64 -d; }

expires=3600 request jane-1 /O=devs/CN=jane $client 'client auth'
same "$(k get csr jane-1 -o jsonpath='{.spec.username} {.spec.groups}')" 'system:admin ["system:masters","system:authenticated"]'
same "$(state jane-1)" ""
k certificate approve jane-1
certificate jane-1 >"$dir/jane.crt"
as_jane() {
  inside kubectl --kubeconfig=/dev/null --server="https://$node_ip:6443" \
    --certificate-authority="$work/data/server/tls/ca.crt" \
    --client-certificate="$dir/jane.crt" --client-key="$dir/jane-1.key" "$@"
}
same "$(as_jane auth whoami -o jsonpath='{.status.userInfo.username} {.status.userInfo.groups}')" 'jane ["devs","system:authenticated"]'
quiet x509 -in "$dir/jane.crt" -noout -checkend 3500 || fail "ends too early"
fails quiet x509 -in "$dir/jane.crt" -noout -checkend 3700
has "$(k get csr jane-1)" 'Approved,Issued'

request jane-2 /CN=jane $client 'client auth'
k certificate deny jane-2
same "$(state jane-2)" Denied
has "$(k certificate approve jane-2 2>&1 || true)" 'mutually exclusive\|already'

# Nobody becomes an administrator so, and a right of one's own is needed to approve and to sign.
has "$(request root /O=system:masters/CN=root $client 'client auth' 2>&1 || true)" \
  'use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed'
has "$(request old /CN=old kubernetes.io/legacy-unknown 'client auth' 2>&1 || true)" 'legacy signerName is not allowed'
has "$(expires=599 request brief /CN=brief $client 'client auth' 2>&1 || true)" 'duration less than 600 seconds'
request jane-3 /CN=jane $client 'client auth'
k create clusterrole "$ns-approver" --verb=get,list,update,patch --resource=certificatesigningrequests,certificatesigningrequests/approval,certificatesigningrequests/status
k create clusterrolebinding "$ns-approver" --clusterrole="$ns-approver" --user=joe
has "$(k --as=joe certificate approve jane-3 2>&1 || true)" "user not permitted to approve requests with signerName \"$client\""
k apply -f - <<EOF
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: $ns-signers}
rules: [{apiGroups: [certificates.k8s.io], resources: [signers], resourceNames: ["kubernetes.io/*"], verbs: [approve]}]
EOF
k create clusterrolebinding "$ns-signers" --clusterrole="$ns-signers" --user=joe
k --as=joe certificate approve jane-3
certificate jane-3 >/dev/null
has "$(k --as=joe patch csr jane-3 --subresource=status --type=merge -p '{"status":{"conditions":[{"type":"Approved","status":"True"},{"type":"Failed","status":"True"}]}}' 2>&1 || true)" \
  "user not permitted to sign requests with signerName \"$client\""

# What breaks a signer's rule fails; other people's signers are left to them.
request wide /CN=wide $client 'client auth, server auth'
k certificate approve wide
k wait --for=condition=Failed csr/wide --timeout=10s
has "$(k get csr wide -o jsonpath='{.status.conditions[?(@.type=="Failed")].message}')" 'server auth'
request theirs /CN=theirs example.com/own 'client auth'
k certificate approve theirs
same "$(k get csr theirs -o jsonpath='{.status.certificate}')" ""

# A node asks in its own name, and has its client certificate without anybody's word.
who=(--as=system:node:far --as-group=system:nodes)
kubelet=kubernetes.io/kube-apiserver-client-kubelet
has "$(request near /O=system:nodes/CN=system:node:near $kubelet 'client auth, digital signature' 2>&1 || true)" \
  'can only create a node CSR with CN=system:node:far'
k create clusterrolebinding "$ns-nodes" --group=system:nodes \
  --clusterrole=system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
request far-1 /O=system:nodes/CN=system:node:far $kubelet 'client auth, digital signature'
certificate far-1 >"$dir/far.crt"
has "$(quiet x509 -in "$dir/far.crt" -noout -subject)" 'system:node:far'
request far-2 /O=system:nodes/CN=system:node:far kubernetes.io/kubelet-serving 'server auth, digital signature' \
  subjectAltName=DNS:far,IP:10.0.0.9
same "$(state far-2)" ""
k certificate approve far-2
certificate far-2 >"$dir/far-serving.crt"
has "$(quiet x509 -in "$dir/far-serving.crt" -noout -ext subjectAltName,extendedKeyUsage)" 'DNS:far, IP Address:10.0.0.9'
k delete csr jane-1 jane-2 jane-3 wide theirs far-1 far-2
k delete clusterrolebinding "$ns-nodes" "$ns-approver" "$ns-signers"
k delete clusterrole "$ns-approver" "$ns-signers"
