# create, apply, diff and replace, with the validation that users count on.
cat >"$work/web.yaml" <<EOF
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: "busybox:1", ports: [{containerPort: 80}]}
EOF
has "$(k -n "$ns" apply -f "$work/web.yaml")" "deployment.apps/web created"
has "$(k -n "$ns" apply -f "$work/web.yaml")" "deployment.apps/web unchanged"
sed -i 's/replicas: 0/replicas: 0\n  revisionHistoryLimit: 3/' "$work/web.yaml"
has "$(k -n "$ns" diff -f "$work/web.yaml" || true)" "+  revisionHistoryLimit: 3"
has "$(k -n "$ns" apply -f "$work/web.yaml")" "deployment.apps/web configured"
has "$(k -n "$ns" create -f "$work/web.yaml" 2>&1 || true)" "already exists"
has "$(k -n "$ns" replace -f "$work/web.yaml")" "replaced"
has "$(k -n "$ns" apply -f - 2>&1 <<<'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"dta":{}}' || true)" 'unknown field "dta"'
has "$(sed 's/name: web/name: Web_/' "$work/web.yaml" | k -n "$ns" apply -f - 2>&1 || true)" "is invalid: metadata.name: Invalid value"
has "$(sed 's/app: web}}$/app: other}}/' "$work/web.yaml" | k -n "$ns" apply -f - 2>&1 || true)" "is invalid"
has "$(k -n "$ns" create deployment dry --image=busybox:1 --dry-run=server)" "created (server dry run)"
has "$(k -n "$ns" get deployment dry 2>&1 || true)" "not found"
has "$(k -n "$ns" create -f - 2>&1 <<<'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"gen-"}}')" "configmap/gen-"
k -n "$ns" create secret generic s --from-literal=password=hush
same "$(k -n "$ns" get secret s -o jsonpath='{.data.password}' | base64 -d)" hush
