# cordon, taints, node selectors and resources decide; what does not fit says why.
k cordon node-1
has "$(k get nodes)" "Ready,SchedulingDisabled"
k -n "$ns" run p --image=busybox:1 --command -- sleep 1000
k -n "$ns" wait --for=condition=PodScheduled=false pod/p --timeout=10s
has "$(k -n "$ns" describe pod p)" "0/1 nodes are available: 1 node(s) were unschedulable"
k uncordon node-1
k -n "$ns" wait --for=condition=Ready pod/p --timeout=30s
k taint node node-1 key=value:NoSchedule
k -n "$ns" run q --image=busybox:1 --command -- sleep 1000
k -n "$ns" wait --for=condition=PodScheduled=false pod/q --timeout=10s
has "$(k -n "$ns" describe pod q)" "1 node(s) had untolerated taint {key: value}"
k taint node node-1 key-
k -n "$ns" wait --for=condition=Ready pod/q --timeout=30s
k -n "$ns" run big --image=busybox:1 --overrides='{"spec":{"containers":[{"name":"big","image":"busybox:1","resources":{"requests":{"cpu":"1000"}}}]}}'
k -n "$ns" wait --for=condition=PodScheduled=false pod/big --timeout=10s
has "$(k -n "$ns" events --for pod/big)" "1 Insufficient cpu"
k -n "$ns" run sel --image=busybox:1 --overrides='{"spec":{"nodeSelector":{"disk":"ssd"}}}' --command -- sleep 1000
k -n "$ns" wait --for=condition=PodScheduled=false pod/sel --timeout=10s
k label node node-1 disk=ssd
k -n "$ns" wait --for=condition=Ready pod/sel --timeout=30s
k label node node-1 disk-
k -n "$ns" delete pod --all --now
