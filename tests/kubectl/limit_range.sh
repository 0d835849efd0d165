# A LimitRange gives limits to containers that have none, and refuses what is out of its bounds.
k -n "$ns" apply -f - <<'YAML'
apiVersion: v1
kind: LimitRange
metadata: {name: l}
spec:
  limits:
  - type: Container
    default: {memory: 64Mi}
    max: {memory: 128Mi}
  - type: PersistentVolumeClaim
    max: {storage: 1Gi}
YAML
k -n "$ns" run p --image=busybox:1 --command -- sleep 1000
same "$(k -n "$ns" get pod p -o jsonpath='{.spec.containers[0].resources.limits.memory}/{.spec.containers[0].resources.requests.memory}')" 64Mi/64Mi
has "$(k -n "$ns" get pod p -o jsonpath='{.metadata.annotations}')" 'LimitRanger plugin set: memory request for container p; memory limit for container p'
has "$(k -n "$ns" run q --image=busybox:1 --overrides='{"spec":{"containers":[{"name":"q","image":"busybox:1","resources":{"limits":{"memory":"1Gi"}}}]}}' 2>&1 || true)" 'pods "q" is forbidden: maximum memory usage per Container is 128Mi, but limit is 1Gi'
has "$(k -n "$ns" describe limitrange l)" 'Container'
k -n "$ns" delete pod p --now
