# delete: --grace-period, --force, --now and --wait=false on a pod that does not hear TERM.
deaf() { k -n "$ns" run "$1" --image=busybox:1 --command -- sh -c 'trap "" TERM; while :; do sleep 1; done'; }
ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
for name in one two three; do deaf $name; done
k -n "$ns" wait --for=condition=Ready pod/one pod/two pod/three --timeout=30s
start=$(ms)
k -n "$ns" delete pod one --grace-period=1
took=$(($(ms) - start))
[ $took -ge 900 ] || fail "a deaf pod was gone after $took ms of its 1 s of grace"
[ $took -lt 8000 ] || fail "--grace-period=1 took $took ms"
k -n "$ns" delete pod two --wait=false
has "$(k -n "$ns" get pod two)" "Terminating"
same "$(k -n "$ns" get pod two -o jsonpath='{.metadata.deletionGracePeriodSeconds}')" 30
k -n "$ns" delete pod two --now
has "$(k -n "$ns" get pod two 2>&1 || true)" "not found"
has "$(k -n "$ns" delete pod three --force --grace-period=0 2>&1)" "force deleted"
has "$(k -n "$ns" get pod three 2>&1 || true)" "not found"
