# A namespace's labels say what its pods may be; workloads and standing pods are warned of.
bad='{"spec":{"containers":[{"name":"p","image":"busybox:1","command":["sleep","1000"],"securityContext":{"privileged":true}}]}}'
k -n "$ns" run standing --image=busybox:1 --overrides="${bad//\"p\"/\"standing\"}"
out=$(k label namespace "$ns" pod-security.kubernetes.io/enforce=baseline pod-security.kubernetes.io/warn=restricted 2>&1)
has "$out" "Warning: existing pods in namespace \"$ns\" violate the new PodSecurity enforce level \"baseline:latest\""
has "$out" 'Warning: standing: privileged'
has "$(k -n "$ns" run p --image=busybox:1 --overrides="$bad" 2>&1 || true)" 'pods "p" is forbidden: violates PodSecurity "baseline:latest": privileged (container "p" must not set securityContext.privileged=true)'
has "$(k -n "$ns" create deployment d --image=busybox:1 2>&1)" 'Warning: would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "busybox" must set'
has "$(k -n "$ns" run q --image=busybox:1 --command -- sleep 1000 2>&1)" 'Warning: would violate PodSecurity "restricted:latest"'
has "$(k label namespace "$ns" --overwrite pod-security.kubernetes.io/enforce=strict 2>&1 || true)" 'must be one of privileged, baseline, restricted'
k -n "$ns" delete deployment d
k -n "$ns" delete pods --all --now
