# The agent dies in the middle of exec, log and port-forward: who called hears of it at once and
# does not take what he has for the whole; nothing is left of it on either side.
become_inside kubectl -n "$ns" exec web-2 -- sh -c 'echo began; exec sleep 4321' >"$work/exec.log" 2>&1 &
exec_pid=$!
become_inside kubectl -n "$ns" port-forward pod/web-2 18080:8080 >"$work/forward.log" 2>&1 &
forward_pid=$!
curl_admin() {
  exec nsenter --net=/run/netns/"$netns" -- curl -sS --cacert "$work/data/server/tls/ca.crt" \
    -H "Authorization: Bearer $(cat "$work/data/server/tls/admin.token")" "$@"
}
curl_admin -N "https://$node_ip:6443/api/v1/namespaces/$ns/pods/web-2/log?follow=1" >"$work/log.log" 2>"$work/log.err" &
log_pid=$!
wait_for_line "$work/exec.log" began $exec_pid 20
wait_for_line "$work/log.log" "web-2 serves" $log_pid 20
wait_for_line "$work/forward.log" "127.0.0.1:18080 ->" $forward_pid 20
# One connection through port-forward that is open and silent.
become_inside busybox nc 127.0.0.1 18080 >"$work/nc.log" < <(tail --pid=$$ -f /dev/null) &
nc_pid=$!
wait_for_line "$work/forward.log" "Handling connection" $forward_pid 20

stop_agent KILL
ends() { # ends PID WHAT: by itself, soon, and with a failure.
  local code=0
  timeout 15 tail --pid="$1" -f /dev/null || fail "$2 hangs"
  wait "$1" || code=$?
  [ "$code" != 0 ] || fail "$2 ended as if all were well"
}
ends $exec_pid exec
ends $log_pid log
has "$(cat "$work/log.err")" "transfer closed\|unexpected eof\|reset"
# kubectl keeps its port open; the connection in it ends.
timeout 15 tail --pid=$nc_pid -f /dev/null || fail "a forwarded connection hangs"
wait $nc_pid || true
kill $forward_pid 2>/dev/null || true
wait $forward_pid || true

start_agent "agent: ready"
node_2_follows after-streams
same "$(k -n "$ns" exec web-2 -- sh -c 'ps | grep -c "[s]leep 4321"' || true)" 0
# One exec runs, which asks; nothing else is counted.
streams=$(k get --raw /metrics | grep '^apiserver_longrunning_requests' | grep 'subresource="\(exec\|log\|portforward\)"' | grep -v ' 0$' || true)
same "$streams" ""
k -n "$ns" delete pod after-streams --now
