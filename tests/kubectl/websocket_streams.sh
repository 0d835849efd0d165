# The WebSocket protocols that kubectl does not speak: the old ones of exec, port-forward on
# channels, and logs.
start_pod p 'echo remote log; mkdir -p /www; echo hello >/www/index.html; httpd -p 127.0.0.1:8080 -h /www; sleep 1000'
# shellcheck source=tests/kubectl/admin.bash
source "$root/tests/kubectl/admin.bash"
web() {
  inside timeout 20 python3 "$root/tests/kubectl/websocket_streams.py" "$(field server)" "$work/ca.pem" \
    "$work/admin.pem" "$@"
}
pod=/api/v1/namespaces/$ns/pods/p
for protocol in v5.channel.k8s.io v4.channel.k8s.io v4.base64.channel.k8s.io channel.k8s.io base64.channel.k8s.io; do
  out=$(web $protocol "$pod/exec?command=echo&command=remote&stdout=1")
  has "$out" '^1 remote\\n$'
  case $protocol in
  v*) has "$out" '^3 .*"status":"Success"' ;;
  *) [[ $out != *"3 "* ]] || fail "no status for $protocol: $out" ;;
  esac
done
has "$(web channel.k8s.io "$pod/exec?command=sh&command=-c&command=exit%203&stdout=1")" \
  '^3 command terminated with non-zero exit code: 3$'
# v5 can end stdin: 255, then the channel.
has "$(web v5.channel.k8s.io "$pod/exec?command=cat&stdin=1&stdout=1" '\xff\x00')" '"status":"Success"'
has "$(web v9.unknown "$pod/exec?command=true&stdout=1" 2>&1 || true)" "403.*unable to negotiate protocol"
# Logs.
same "$(web binary.k8s.io "$pod/log?container=main" | tr -d '\n')" 'remote log\n'
same "$(web base64.binary.k8s.io "$pod/log?container=main" | tr -d '\n')" 'remote log\n'
same "$(web - "$pod/log" | tr -d '\n')" 'remote log\n'
# port-forward: both channels begin with the port, 8080 = 0x1f90.
out=$(web v4.channel.k8s.io "$pod/portforward?ports=8080" '\x00GET / HTTP/1.0\r\n\r\n')
has "$out" '^0 \\x90\\x1f$'
has "$out" '^1 \\x90\\x1f$'
has "$out" 'hello'
has "$(web v4.channel.k8s.io "$pod/portforward?ports=81")" '^1 error forwarding port 81'
has "$(web v4.channel.k8s.io "$pod/portforward" 2>&1 || true)" '400.*port'
# What the node knows of itself.
has "$(k get --raw /api/v1/nodes/node-1/proxy/stats/summary)" '"podRef":{[^}]*"name":"p"'
has "$(k get --raw /api/v1/nodes/node-1/proxy/metrics/resource)" "pod_memory_working_set_bytes{namespace=\"$ns\",pod=\"p\"}"
k -n "$ns" delete pod p --now
