# Images that can't be had are told as users know it.
k -n "$ns" run never --image=nothere:1 --image-pull-policy=Never --command -- true
k -n "$ns" wait --for=jsonpath='{.status.containerStatuses[0].state.waiting.reason}'=ErrImageNeverPull pod/never --timeout=20s
k -n "$ns" run bad --image='Not A Name' --command -- true 2>/dev/null || true
k -n "$ns" run refused --image=127.0.0.1:1/x:1 --command -- true
k -n "$ns" wait --for=jsonpath='{.status.containerStatuses[0].state.waiting.reason}'=ImagePullBackOff pod/refused --timeout=30s
has "$(k -n "$ns" describe pod refused)" "Failed to pull image"
k -n "$ns" delete pod --all --now
