# kubectl exec -it gives a terminal.
k -n "$ns" run p --image=busybox:1 --command -- sleep 1000
k -n "$ns" wait --for=condition=Ready pod/p --timeout=30s
out=$(printf 'tty; echo $((40+2))\nexit\n' | timeout 20 script -qec "nsenter --net=/run/netns/$netns -- env KUBECONFIG=$KUBECONFIG kubectl -n $ns exec -it p -- sh" /dev/null)
has "$out" "/dev/pts/"
has "$out" "42"
k -n "$ns" delete pod p --now
