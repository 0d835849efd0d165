# A container's hostPort is reached at the node's address, from outside, from pods, and from the
# pod itself; it is free again when the pod is gone.
k -n "$ns" apply -f - <<EOF
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:1
    command: [sh, -c, "mkdir /www; echo hello >/www/index.html; httpd -f -p 8080 -h /www"]
    ports: [{containerPort: 8080, hostPort: 18088}]
    readinessProbe: {httpGet: {port: 8080, path: /index.html}, periodSeconds: 1}
EOF
k -n "$ns" run client --image=busybox:1 --command -- sleep 1000
k -n "$ns" wait --for=condition=Ready pod/web pod/client --timeout=30s
url=http://$node_ip:18088/
same "$(inside curl -s --max-time 5 --retry 10 --retry-connrefused --retry-delay 1 "$url")" hello
same "$(k -n "$ns" exec client -- timeout 5 wget -q -O - "$url")" hello
same "$(k -n "$ns" exec web -- timeout 5 wget -q -O - "$url")" hello
k -n "$ns" delete pod web client --now
k -n "$ns" wait --for=delete pod/web --timeout=20s
refused() { ! inside curl -s --max-time 1 "$url"; }
for _ in 1 2 3 4 5; do refused && break; done
refused || fail "the host port outlived its pod"
