# pods/proxy, services/proxy and nodes/proxy: any method, paths and queries, redirects, refusals.
k -n "$ns" apply -f - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: busybox:1
    ports: [{containerPort: 8080, name: http}]
    command:
    - sh
    - -c
    - |
      mkdir -p /www/cgi-bin /www/sub
      echo hello >/www/index.txt
      echo '<a href="/sub/">there</a><img src="pic.png">' >/www/page.html
      printf '#!/bin/sh\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n"; echo "\$REQUEST_METHOD [\$QUERY_STRING]"; cat\n' >/www/cgi-bin/say
      printf '#!/bin/sh\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n"; wc -c\n' >/www/cgi-bin/count
      chmod +x /www/cgi-bin/*
      head -c 3000000 /dev/zero >/www/big
      httpd -f -p 8080 -h /www
    readinessProbe: {httpGet: {path: /big, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
  - {name: web, port: 80, targetPort: http}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: none}, ports: [{port: 80}]}
YAML
k -n "$ns" wait --for=condition=Ready pod/web --timeout=30s
k -n "$ns" wait --for=jsonpath='{.subsets[0].addresses[0].ip}' endpoints/web --timeout=15s
raw() { k get --raw "$@"; }
pods=/api/v1/namespaces/$ns/pods
services=/api/v1/namespaces/$ns/services
same "$(raw "$pods/web/proxy/index.txt")" hello
same "$(raw "$pods/web:8080/proxy/index.txt")" hello
same "$(raw "$pods/http:web:8080/proxy/index.txt")" hello
same "$(raw "$services/web:web/proxy/index.txt")" hello
same "$(raw "$services/web:80/proxy/index.txt")" hello
same "$(raw "$services/http:web:web/proxy/index.txt")" hello
same "$(raw "$pods/web/proxy/cgi-bin/say?a=1&b=x+y")" "GET [a=1&b=x+y]"
same "$(raw "$pods/web/proxy/big" | wc -c)" 3000000
has "$(raw "$pods/web/proxy/page.html")" "href=\"$pods/web/proxy/sub/\""
has "$(raw "$pods/web/proxy/page.html")" 'src="pic.png"'
echo body >"$work/body"
same "$(k create --raw "$pods/web/proxy/cgi-bin/say" -f "$work/body")" "$(printf 'POST []\nbody')"
has "$(raw "$services/empty/proxy/" 2>&1 || true)" 'no endpoints available for service "empty"'
has "$(raw "$pods/web:81/proxy/" 2>&1 || true)" "error trying to reach service"
has "$(raw "$pods/nothere/proxy/" 2>&1 || true)" 'pods "nothere" not found'
has "$(raw "$pods/web:x:y:z/proxy/" 2>&1 || true)" "invalid request"
same "$(raw /api/v1/nodes/node-1/proxy/healthz)" ok
same "$(raw /api/v1/nodes/node-1:10250/proxy/healthz)" ok
has "$(raw /api/v1/nodes/node-1/proxy/pods)" '"kind":"PodList"'

# What the node tells of itself.
node=/api/v1/nodes/node-1/proxy
has "$(raw $node/configz)" '"kind":"KubeletConfiguration"'
has "$(raw $node/stats/summary)" '"nodeName":"node-1"'
has "$(raw $node/metrics)" 'kubelet_node_name{node="node-1"} 1$'
has "$(raw $node/metrics/resource)" "^container_cpu_usage_seconds_total{container=\"main\",namespace=\"$ns\",pod=\"web\"} "
cadvisor=$(raw $node/metrics/cadvisor)
has "$cadvisor" "^container_memory_working_set_bytes{container=\"main\",id=\"/kubepods/.*namespace=\"$ns\",pod=\"web\"} [1-9]"
has "$cadvisor" "^container_network_transmit_bytes_total{.*interface=\"eth0\",.*pod=\"web\"} [1-9]"
has "$cadvisor" '^container_cpu_usage_seconds_total{container="",cpu="total",id="/",.*} [1-9]'
has "$(raw $node/logs/)" '^<pre>$'
has "$(raw "$node/logs/..%2f..%2fetc%2fpasswd" 2>&1 || true)" 'could not find the requested resource'

# With HTTP itself: redirects and the other methods.
# shellcheck source=tests/kubectl/admin.bash
source "$root/tests/kubectl/admin.bash"
server=$(field server)
ask() { inside curl -sS --max-time 10 --cacert "$work/ca.pem" --cert "$work/admin.pem" "$@"; }
same "$(ask -o /dev/null -w '%{http_code} %{redirect_url}' "$server$pods/web/proxy?a=b")" \
  "301 $server$pods/web/proxy/?a=b"
same "$(ask -o /dev/null -w '%{http_code} %{redirect_url}' "$server$pods/web/proxy/sub")" \
  "302 $server$pods/web/proxy/sub/"
same "$(ask -o /dev/null -w '%{http_code}' -I "$server$pods/web/proxy/index.txt")" 200
for method in PUT PATCH DELETE OPTIONS; do
  ask -o /dev/null -w '%{http_code}\n' -X $method "$server$pods/web/proxy/index.txt" | grep -E >/dev/null '^(200|501)$'
done
# A body longer than what the API itself takes.
head -c 20000000 /dev/zero >"$work/large"
for path in "$pods/web" "$services/web:web"; do
  same "$(ask --data-binary @"$work/large" "$server$path/proxy/cgi-bin/count")" 20000000
done
same "$(ask -o /dev/null -w '%{http_code}' --data-binary @"$work/large" "$server/api/v1/namespaces/$ns/pods")" 413
k -n "$ns" delete service web empty
k -n "$ns" delete pod web --now
