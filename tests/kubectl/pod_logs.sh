# logs: -f ends with the container, --previous shows the one before, --tail, --since, timestamps.
k -n "$ns" run f --image=busybox:1 --restart=Never --command -- sh -c 'for i in 1 2 3; do echo line $i; sleep 0.5; done'
k -n "$ns" wait --for=jsonpath='{.status.containerStatuses[0].started}'=true pod/f --timeout=30s
out=$(k -n "$ns" logs -f f)
same "$out" "$(printf 'line 1\nline 2\nline 3')"
same "$(k -n "$ns" logs f --tail=2 | sed -n 1p)" "line 2"
has "$(k -n "$ns" logs f --timestamps --tail=1)" "^20[0-9-]*T.*Z line 3"
same "$(k -n "$ns" logs f --since=1h | wc -l)" 3
k -n "$ns" wait --for=jsonpath='{.status.phase}'=Succeeded pod/f --timeout=20s
has "$(k -n "$ns" get pod f)" "Completed"
k -n "$ns" run r --image=busybox:1 --command -- sh -c 'echo start $HOSTNAME; [ -e /data ] || exit 1'
k -n "$ns" wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/r --timeout=40s
has "$(k -n "$ns" logs r --previous)" "start"
has "$(k -n "$ns" get pod r -o jsonpath='{.status.containerStatuses[0].lastState.terminated.exitCode}')" 1
k -n "$ns" wait --for=jsonpath='{.status.containerStatuses[0].state.waiting.reason}'=CrashLoopBackOff pod/r --timeout=40s
has "$(k -n "$ns" logs nothere 2>&1 || true)" 'pods "nothere" not found'
k -n "$ns" delete pod --all --now
