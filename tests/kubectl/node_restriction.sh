# A node sees what its own pods use, and writes what is its own.
node=(--as=system:node:far --as-group=system:nodes)
k -n "$ns" create secret generic used --from-literal=a=1
k -n "$ns" create secret generic other --from-literal=a=1
k -n "$ns" create configmap map --from-literal=a=1
no_relationship="no relationship found between node 'far' and this object"
has "$(k "${node[@]}" -n "$ns" get secret used 2>&1 || true)" \
  "secrets \"used\" is forbidden: User \"system:node:far\" cannot get resource \"secrets\" in API group \"\" in the namespace \"$ns\": $no_relationship"

k "${node[@]}" create -f - <<EOF
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "far"}}
EOF
k -n "$ns" apply -f - <<EOF
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  nodeName: far
  terminationGracePeriodSeconds: 0
  volumes: [{name: v, secret: {secretName: used}}]
  containers: [{name: main, image: "busybox:1", envFrom: [{configMapRef: {name: map}}]}]
EOF
k "${node[@]}" -n "$ns" get secret used
k "${node[@]}" -n "$ns" get configmap map
k "${node[@]}" -n "$ns" get secret --field-selector metadata.name=used
k "${node[@]}" -n "$ns" get pod p
k "${node[@]}" get pods -A --field-selector spec.nodeName=far
k "${node[@]}" -n "$ns" create token default --bound-object-kind Pod --bound-object-name p \
  --bound-object-uid "$(k -n "$ns" get pod p -o jsonpath='{.metadata.uid}')"

has "$(k "${node[@]}" -n "$ns" get secret other 2>&1 || true)" "$no_relationship"
has "$(k "${node[@]}" -n "$ns" get secrets 2>&1 || true)" "No Object name found"
has "$(k "${node[@]}" get secrets -A 2>&1 || true)" "can only read namespaced object of this type"
has "$(k "${node[@]}" get pods -A 2>&1 || true)" "can only list/watch pods with spec.nodeName field selector"
has "$(k "${node[@]}" -n "$ns" create token default 2>&1 || true)" "node requested token not bound to a pod"
k -n "$ns" create serviceaccount robot
has "$(k "${node[@]}" -n "$ns" create token robot 2>&1 || true)" "$no_relationship"
fails k "${node[@]}" -n "$ns" get deployments
fails k "${node[@]}" -n "$ns" exec p -- true

has "$(k "${node[@]}" label node node-1 stolen=yes 2>&1 || true)" 'node "far" is not allowed to modify node "node-1"'
k "${node[@]}" label node far disk=ssd
has "$(k "${node[@]}" label node far node-restriction.kubernetes.io/zone=a 2>&1 || true)" \
  'is not allowed to modify labels: node-restriction.kubernetes.io/zone'
has "$(k "${node[@]}" taint node far a=b:NoSchedule 2>&1 || true)" 'is not allowed to modify taints'
has "$(k "${node[@]}" -n "$ns" run mine --image=busybox:1 2>&1 || true)" 'can only create mirror pods'

# What the pod brought goes with it.
k "${node[@]}" -n "$ns" delete pod p --grace-period=0 --force
k -n "$ns" wait --for=delete pod/p --timeout=10s
has "$(k "${node[@]}" -n "$ns" get secret used 2>&1 || true)" "$no_relationship"
k delete node far
