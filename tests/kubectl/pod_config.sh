# Environment, volumes, users and limits are what the spec says.
k -n "$ns" create configmap conf --from-literal=key=value --from-literal=file.txt=content
k -n "$ns" create secret generic sec --from-literal=password=hush
k -n "$ns" apply -f - <<EOF
apiVersion: v1
kind: Pod
metadata: {name: p, labels: {a: b}}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsUser: 1234, runAsGroup: 2345, fsGroup: 3456}
  volumes:
  - {name: conf, configMap: {name: conf}}
  - {name: sec, secret: {secretName: sec, defaultMode: 0440}}
  - {name: empty, emptyDir: {}}
  - {name: host, hostPath: {path: /etc/hostname, type: File}}
  containers:
  - name: main
    image: "busybox:1"
    command: [sh, -c, "sleep 1000"]
    envFrom: [{configMapRef: {name: conf}}]
    env:
    - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: PASSWORD, valueFrom: {secretKeyRef: {name: sec, key: password}}}
    - {name: BOTH, value: "\$(POD)-x"}
    - {name: CPU, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    resources: {limits: {memory: 64Mi, cpu: 500m}}
    securityContext: {readOnlyRootFilesystem: true, capabilities: {drop: [ALL], add: [NET_BIND_SERVICE]}}
    volumeMounts:
    - {name: conf, mountPath: /conf}
    - {name: conf, mountPath: /one, subPath: file.txt}
    - {name: sec, mountPath: /sec, readOnly: true}
    - {name: empty, mountPath: /empty}
    - {name: host, mountPath: /hostname}
EOF
k -n "$ns" wait --for=condition=Ready pod/p --timeout=30s
x() { k -n "$ns" exec p -- sh -c "$1"; }
ip=$(k -n "$ns" get pod p -o jsonpath='{.status.podIP}')
same "$(x 'echo $key $POD $IP $PASSWORD $BOTH $CPU')" "value p $ip hush p-x 1"
same "$(x 'cat /conf/key /conf/file.txt /one')" "valuecontentcontent"
same "$(x 'cat /sec/password; stat -L -c %a /sec/password')" "hush440"
same "$(x 'id -u; id -g; id -G | tr " " "\n" | grep 3456' | tr '\n' ' ')" "1234 2345 3456 "
same "$(x 'touch /x 2>/dev/null || echo read-only')" read-only
same "$(x 'touch /empty/x && echo written')" written
same "$(x 'grep CapBnd /proc/self/status')" "$(printf 'CapBnd:\t0000000000000400')"
same "$(x 'cat /hostname')" "$(cat /etc/hostname)"
has "$(k -n "$ns" get pod p -o jsonpath='{.status.qosClass}')" Guaranteed
k -n "$ns" create configmap conf --from-literal=key=new --from-literal=file.txt=content --dry-run=client -o yaml | k -n "$ns" apply -f - 2>/dev/null
k -n "$ns" delete pod p --now
