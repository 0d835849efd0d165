# A pod runs, is described, logged, entered, and deleted with its grace.
k -n "$ns" run p --image=busybox:1 --restart=Never --command -- sh -c \
  'trap "echo bye; exit 0" TERM; echo hello; echo oops >&2; while :; do sleep 1 & wait $!; done'
k -n "$ns" wait --for=condition=Ready pod/p --timeout=30s
out=$(k -n "$ns" get pod p -o wide)
has "$out" "^p  *1/1  *Running  *0 "
has "$out" "node-1"
out=$(k -n "$ns" describe pod p)
has "$out" "Successfully assigned $ns/p to node-1"
has "$out" "Container image \"busybox:1\" already present on machine"
has "$out" "Started container p"
same "$(k -n "$ns" logs p | sort | tr '\n' ' ')" "hello oops "
same "$(k -n "$ns" logs p --tail=1 | wc -l)" 1
same "$(k -n "$ns" exec p -- sh -c 'echo in; echo err >&2; exit 3' 2>"$work/err" || echo "code $?")" "$(printf 'in\ncode 3')"
has "$(cat "$work/err")" "^err"
has "$(cat "$work/err")" "command terminated with exit code 3"
same "$(echo typed | k -n "$ns" exec -i p -- cat)" typed
has "$(k -n "$ns" exec p -- sh -c 'hostname; cat /etc/hosts')" "^p$"
has "$(k -n "$ns" exec p -- cat /var/run/secrets/kubernetes.io/serviceaccount/namespace)" "$ns"
start=$EPOCHREALTIME
k -n "$ns" delete pod p
took=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
[ $took -lt 5000 ] || fail "deletion took $took ms though the container ends on TERM"
has "$(k -n "$ns" get pod p 2>&1 || true)" "not found"
