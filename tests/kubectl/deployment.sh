# rollout status, history, undo, restart, scale, and what they leave.
deploy web 2
has "$(k -n "$ns" rollout status deployment web --timeout=40s)" "successfully rolled out"
has "$(k -n "$ns" get deployment web)" "^web  *2/2  *2  *2 "
same "$(k -n "$ns" get pods -l app=web --field-selector=status.phase=Running -o name | wc -l)" 2
k -n "$ns" scale deployment web --replicas=3
k -n "$ns" rollout status deployment web --timeout=30s
k -n "$ns" set env deployment/web A=1
k -n "$ns" rollout status deployment web --timeout=40s
out=$(k -n "$ns" rollout history deployment web)
has "$out" "^2 "
k -n "$ns" rollout undo deployment web
k -n "$ns" rollout status deployment web --timeout=40s
same "$(k -n "$ns" get deployment web -o jsonpath='{.spec.template.spec.containers[0].env}')" ""
k -n "$ns" rollout restart deployment web
k -n "$ns" rollout status deployment web --timeout=40s
same "$(k -n "$ns" get rs -l app=web -o jsonpath='{range .items[*]}{.spec.replicas}{"\n"}{end}' | grep -c '^3')" 1
k -n "$ns" rollout pause deployment web
k -n "$ns" rollout resume deployment web
k -n "$ns" wait --for=condition=Available deployment/web --timeout=20s
has "$(k -n "$ns" describe deployment web)" "ScalingReplicaSet"
k -n "$ns" delete deployment web
k -n "$ns" wait --for=delete pod -l app=web --timeout=30s
same "$(k -n "$ns" get rs -o name)" ""
