# A Service's address, node port and name reach its pods; without pods it refuses.
k -n "$ns" create configmap page --from-literal=index.html=hello
k -n "$ns" apply -f - <<EOF
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      volumes: [{name: page, configMap: {name: page}}]
      containers:
      - name: main
        image: busybox:1
        command: [httpd, -f, -p, "8080", -h, /page]
        ports: [{name: http, containerPort: 8080}]
        readinessProbe: {httpGet: {port: http, path: /index.html}, periodSeconds: 1}
        volumeMounts: [{name: page, mountPath: /page}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: web}, ports: [{name: http, port: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: empty}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
EOF
k -n "$ns" rollout status deployment web --timeout=40s
vip=$(k -n "$ns" get svc web -o jsonpath='{.spec.clusterIP}')
port=$(k -n "$ns" get svc web -o jsonpath='{.spec.ports[0].nodePort}')
same "$(k -n "$ns" get endpoints web -o jsonpath='{.subsets[0].addresses[*].ip}' | wc -w)" 2
same "$(k -n "$ns" get endpointslice -l kubernetes.io/service-name=web -o jsonpath='{.items[0].endpoints[*].conditions.ready}')" "true true"
k -n "$ns" run client --image=busybox:1 --command -- sleep 1000
k -n "$ns" wait --for=condition=Ready pod/client --timeout=20s
same "$(inside curl -s --max-time 5 "http://$vip/")" hello
same "$(inside curl -s --max-time 5 "http://$node_ip:$port/")" hello
same "$(k -n "$ns" exec client -- timeout 5 wget -q -O - "http://$vip/")" hello
same "$(k -n "$ns" exec client -- timeout 5 wget -q -O - http://web/)" hello
same "$(k -n "$ns" exec client -- timeout 5 wget -q -O - "http://web.$ns.svc.cluster.local/")" hello
same "$(k -n "$ns" exec client -- nslookup "headless.$ns.svc.cluster.local" 2>/dev/null | grep -c '^Address.*10\.42\.')" 2
pod=$(k -n "$ns" get pod -l app=web -o jsonpath='{.items[0].metadata.name}')
same "$(k -n "$ns" exec "$pod" -- timeout 5 wget -q -O - "http://$vip/")" hello # hairpin too, sooner or later
has "$(inside curl -s --max-time 5 "http://$(k -n "$ns" get svc empty -o jsonpath='{.spec.clusterIP}')/" -w '%{errormsg}' || true)" "refused\|Failed to connect"
has "$(k -n "$ns" get svc -o wide)" "80:$port/TCP"
has "$(k -n "$ns" create service clusterip taken --clusterip="$vip" --tcp=80 2>&1 || true)" "provided IP is already allocated"
k -n "$ns" delete deployment web
k -n "$ns" wait --for=delete pod -l app=web --timeout=30s
k -n "$ns" delete pod --all --now
