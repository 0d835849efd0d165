# A node joins with the whole token only, at the token's server only, and waits for a server.
start_server
cp "$work/data/server/token" "$work/token"
same "$(stat -c %a "$work/token")" 600
token=$(cat "$work/token")
hash=$(openssl x509 -in "$work/data/server/tls/ca.crt" -outform DER | sha256sum | cut -d ' ' -f 1)
same "${token%%::*}" "K10$hash"

refused() {
  local text=$1 code=0
  shift
  (become_agent "$@") >"$work/refused.log" 2>&1 || code=$?
  same $code 1
  has "$(cat "$work/refused.log")" "$text"
}
refused "joins with --token"
refused "secret alone" --token "${token##*::}"
refused "refuses the token" --token "K10$hash::wrong"
refused "not to be believed" --token "K10${hash//[0-9]/f}::${token##*::}"
[ ! -e "$work/data-2/agent/tls/membership.json" ] || fail "a refused node has kept something"
lacks "$(k get nodes -o name)" node-2

stop_server
start_agent "cannot join yet" --token-file "$work/token"
start_server
wait_for_line "$work/agent.log" "agent: ready" "$agent_pid" 30
for node in node-1 node-2; do
  k wait --for=create "node/$node" --timeout=30s
  k wait --for=condition=Ready "node/$node" --timeout=30s
done
has "$(k get node node-2 -o jsonpath='{.status.addresses}')" "$node_ip_2"
same "$(k get node node-2 -o jsonpath='{.metadata.labels.disk}')" ssd
cidr_1=$(k get node node-1 -o jsonpath='{.spec.podCIDR}')
cidr_2=$(k get node node-2 -o jsonpath='{.spec.podCIDR}')
has "$cidr_1" '^10\.42\.'
has "$cidr_2" '^10\.42\.'
[ "$cidr_1" != "$cidr_2" ] || fail "both nodes have $cidr_1"
same "$(stat -c %a "$work/data-2/agent/tls/membership.json")" 600

# The node may what is its own, and no more.
for part in Certificate Key; do
  busybox sed -n 's/.*"client'$part'":"\([^"]*\)".*/\1/p' "$work/data-2/agent/tls/membership.json" |
    sed 's/\\n/\n/g' >"$work/node-2.$part"
done
as_node() {
  on_2 kubectl --kubeconfig /dev/null --server "https://$node_ip:6443" \
    --certificate-authority "$work/data/server/tls/ca.crt" \
    --client-certificate "$work/node-2.Certificate" --client-key "$work/node-2.Key" "$@"
}
same "$(as_node auth whoami -o jsonpath='{.status.userInfo.username}')" system:node:node-2
as_node get nodes
has "$(as_node label node node-1 stolen=yes 2>&1 || true)" orbidden
has "$(as_node create deployment x --image=x 2>&1 || true)" orbidden
has "$(as_node -n kube-system create configmap x 2>&1 || true)" orbidden

# Of Secrets it sees what its pods use; a name is not to be had twice.
has "$(as_node -n kube-system get secrets 2>&1 || true)" 'No Object name found'
has "$(as_node get pods -A 2>&1 || true)" 'spec.nodeName field selector'
stop_agent TERM
mv "$work/data-2/agent/tls" "$work/kept"
refused "belongs to another machine" --token-file "$work/token"
rm -r "$work/data-2/agent/tls"
mv "$work/kept" "$work/data-2/agent/tls"
start_agent "agent: ready"
