# Pods of both nodes reach each other by address, without NAT, and by every Service and its name.
k create namespace "$ns"
k -n "$ns" create configmap answer --from-literal=who='#!/bin/sh
echo
echo $REMOTE_ADDR $(hostname)'
web web-1 "nodeName: node-1"
web web-2 "nodeSelector: {disk: ssd}"
k -n "$ns" apply -f - <<EOF
apiVersion: v1
kind: Service
metadata: {name: both}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: apart}
spec:
  replicas: 2
  selector: {matchLabels: {app: apart}}
  template:
    metadata: {labels: {app: apart}}
    spec:
      terminationGracePeriodSeconds: 0
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: apart}}}
      containers: [{name: main, image: "busybox:1", command: [sleep, "1000"]}]
EOF
k -n "$ns" wait --for=condition=Ready pod/web-1 pod/web-2 --timeout=40s
k -n "$ns" rollout status deployment apart --timeout=40s
same "$(k -n "$ns" get pods -l app=apart -o jsonpath='{.items[*].spec.nodeName}' | tr ' ' '\n' | sort | xargs)" \
  "node-1 node-2"
ip_1=$(field pod/web-1 .status.podIP)
ip_2=$(field pod/web-2 .status.podIP)
same "$(field pod/web-2 .spec.nodeName)" node-2

# By address: each sees the other's own.
same "$(from_pod web-1 "$ip_2:8080")" "$ip_1 web-2"
same "$(from_pod web-2 "$ip_1:8080")" "$ip_2 web-1"

# By Service, from pods (whose address stays theirs across the nodes) and from the nodes.
k -n "$ns" wait --for=jsonpath='{.endpoints[1].conditions.ready}'=true --timeout=20s \
  "$(k -n "$ns" get endpointslice -l kubernetes.io/service-name=both -o name)"
vip_1=$(field svc/of-web-1 .spec.clusterIP)
vip_2=$(field svc/of-web-2 .spec.clusterIP)
vip_both=$(field svc/both .spec.clusterIP)
same "$(from_pod web-1 "$vip_2")" "$ip_1 web-2"
same "$(from_pod web-2 "$vip_1")" "$ip_2 web-1"
has "$(from_pod web-1 "$vip_1")" " web-1"
has "$(from_pod web-2 "$vip_2")" " web-2"
has "$(from_pod web-1 "$vip_both")" " web-[12]"
has "$(from_pod web-2 "$vip_both")" " web-[12]"
for fetch in fetch_1 fetch_2; do
  for web in web-1 web-2; do
    has "$($fetch "$(field "svc/of-$web" .spec.clusterIP)")" " $web"
    port=$(field "svc/of-$web" '.spec.ports[0].nodePort')
    has "$($fetch "$node_ip:$port")" " $web"
    has "$($fetch "$node_ip_2:$port")" " $web"
  done
done

# By name, asked on both nodes; and the API server itself.
for pod in web-1 web-2; do
  has "$(from_pod $pod of-web-1)" " web-1"
  has "$(from_pod $pod "of-web-2.$ns.svc.cluster.local")" " web-2"
  has "$(k -n "$ns" exec $pod -- nslookup kubernetes.default.svc.cluster.local)" 10.43.0.1
done

# Logs and commands go through the server to the other node.
has "$(k -n "$ns" logs web-2)" "web-2 serves"
same "$(k -n "$ns" exec web-2 -- hostname)" web-2
same "$(echo hello | k -n "$ns" exec -i web-2 -- cat)" hello

# What the agent writes and asks for as itself: events, and tokens for its pods.
has "$(k -n "$ns" get events --field-selector involvedObject.name=web-2)" Started
k -n "$ns" exec web-2 -- test -s /var/run/secrets/kubernetes.io/serviceaccount/token
