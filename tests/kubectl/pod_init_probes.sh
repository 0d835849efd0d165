# Init containers run in order; readiness waits for its probe; liveness restarts; OOM is told.
k -n "$ns" apply -f - <<EOF
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {app: p}}
spec:
  terminationGracePeriodSeconds: 0
  volumes: [{name: shared, emptyDir: {}}]
  initContainers:
  - {name: one, image: "busybox:1", command: [sh, -c, "echo 1 > /s/order"], volumeMounts: [{name: shared, mountPath: /s}]}
  - {name: two, image: "busybox:1", command: [sh, -c, "echo 2 >> /s/order"], volumeMounts: [{name: shared, mountPath: /s}]}
  containers:
  - name: main
    image: "busybox:1"
    command: [sh, -c, "sleep 1000"]
    volumeMounts: [{name: shared, mountPath: /s}]
    readinessProbe: {exec: {command: [test, -e, /s/ready]}, periodSeconds: 1}
    livenessProbe: {exec: {command: [test, '!', -e, /s/dead]}, periodSeconds: 1, failureThreshold: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: oom}
spec:
  restartPolicy: Never
  containers:
  - name: main
    image: "busybox:1"
    command: [sh, -c, "x=a; while :; do x=\$x\$x; done"]
    resources: {limits: {memory: 20Mi}}
EOF
k -n "$ns" wait --for=jsonpath='{.status.phase}'=Running pod/p --timeout=30s
same "$(k -n "$ns" exec p -c main -- cat /s/order | tr '\n' ' ')" "1 2 "
same "$(k -n "$ns" get pod p -o jsonpath='{.status.containerStatuses[0].ready}')" false
k -n "$ns" exec p -- touch /s/ready
k -n "$ns" wait --for=condition=Ready pod/p --timeout=10s
k -n "$ns" exec p -- touch /s/dead
k -n "$ns" wait --for=jsonpath='{.status.containerStatuses[0].restartCount}'=1 pod/p --timeout=20s
has "$(k -n "$ns" describe pod p)" "failed liveness probe, will be restarted"
k -n "$ns" wait --for=jsonpath='{.status.phase}'=Failed pod/oom --timeout=30s
same "$(k -n "$ns" get pod oom -o jsonpath='{.status.containerStatuses[0].state.terminated.reason}')" OOMKilled
has "$(k -n "$ns" get pod oom)" "OOMKilled"
k -n "$ns" delete pod --all --now
