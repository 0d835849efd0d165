# kubectl port-forward carries connections into a pod, several at a time, and tells of refusals.
k -n "$ns" apply -f - <<EOF
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:1
    command: [sh, -c, "nc -ll -p 9000 -e wc -c & nc -ll -p 9001 -e echo bye & mkdir /www; echo hello >/www/index.html; head -c 3000000 /dev/zero >/www/big; httpd -f -p 127.0.0.1:8080 -h /www"]
    readinessProbe: {exec: {command: [test, -f, /www/big]}, periodSeconds: 1}
EOF
k -n "$ns" wait --for=condition=Ready pod/web --timeout=30s
become_inside kubectl -n "$ns" port-forward pod/web 18080:8080 18081:81 19000:9000 19001:9001 >"$work/forward.log" 2>&1 &
forward=$!
trap 'kill $forward 2>/dev/null || true' EXIT
wait_for_line "$work/forward.log" "127.0.0.1:19001 ->" $forward 10
same "$(inside curl -sS --max-time 10 http://127.0.0.1:18080/)" hello
inside curl -sS --max-time 20 -o "$work/one" http://127.0.0.1:18080/big &
one=$!
inside curl -sS --max-time 20 -o "$work/two" http://127.0.0.1:18080/big
wait $one
same "$(stat -c %s "$work/one" "$work/two" | tr '\n' ' ')" "3000000 3000000 "
# Half-closed by the caller: all that he said arrives, and the answer to it still comes back.
same "$(head -c 5000000 /dev/zero | inside timeout 20 busybox nc 127.0.0.1 19000)" 5000000
# By the pod: its last words arrive, and then the end, though the caller says nothing of an end.
same "$(inside timeout 20 busybox nc 127.0.0.1 19001 < <(tail --pid=$$ -f /dev/null))" bye
inside curl -s --max-time 10 http://127.0.0.1:18081/ && fail "nobody listens on port 81"
has "$(cat "$work/forward.log")" "dial tcp4 127.0.0.1:81: connect: connection refused"
kill $forward 2>/dev/null || true
wait $forward || true
k -n "$ns" delete pod web --now
