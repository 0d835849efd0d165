# kubectl debug: ephemeral containers, seen, attached to, logged; with another's processes in sight.
start_pod p 'exec sleep 1234'
state() { k -n "$ns" get pod p -o jsonpath="{.status.ephemeralContainerStatuses[?(@.name=='$1')].state$2}"; }
ended() { k -n "$ns" wait --for=jsonpath="{.status.ephemeralContainerStatuses[$1].state.terminated.reason}=$2" pod/p --timeout=20s; }

# In the pod's network and with its name; its log is there when it has ended.
k -n "$ns" debug p --image=busybox:1 -c plain -- sh -c 'hostname; ps | grep -c "[s]leep 1234"; exit 3'
ended 0 Error
same "$(state plain .terminated.exitCode)" 3
same "$(k -n "$ns" logs p -c plain)" "$(printf 'p\n0')"
# Beside the processes of the container that it is to look into.
k -n "$ns" debug p --image=busybox:1 -c near --target=main -- sh -c 'ps | grep -c "[s]leep 1234"'
ended 1 Completed
same "$(k -n "$ns" logs p -c near)" 1
# One that stays: attach and exec.
has "$(printf 'echo said-$((40+2)); exit\n' | timeout 30 script -qec \
  "nsenter --net=/run/netns/$netns -- env KUBECONFIG=$KUBECONFIG kubectl -n $ns debug -it p --image=busybox:1 -c shell --target=main -- sh" /dev/null)" said-42
ended 2 Completed
k -n "$ns" debug p --image=busybox:1 -c stays -- sleep 1000
k -n "$ns" wait --for=jsonpath='{.status.ephemeralContainerStatuses[3].state.running.startedAt}' pod/p --timeout=20s
same "$(k -n "$ns" exec p -c stays -- cat /etc/hostname)" p
# The pod is what it was, and tells of them.
same "$(k -n "$ns" get pod p -o jsonpath='{.status.phase} {.status.containerStatuses[0].restartCount}')" "Running 0"
k -n "$ns" wait --for=condition=Ready pod/p --timeout=5s
has "$(k -n "$ns" get events -o jsonpath='{.items[*].involvedObject.fieldPath}')" 'spec.ephemeralContainers{stays}'
has "$(k -n "$ns" describe pod p)" "Ephemeral Containers:"
k -n "$ns" delete pod p --timeout=20s
