# delete: --cascade in its three forms, finalizers, --wait.
for name in bg fg orphan; do deploy $name 1; done
for name in bg fg orphan; do k -n "$ns" rollout status deployment $name --timeout=40s; done
k -n "$ns" delete deployment bg --cascade=background
k -n "$ns" wait --for=delete rs -l app=bg --timeout=20s
k -n "$ns" delete deployment fg --cascade=foreground
same "$(k -n "$ns" get rs -l app=fg -o name)" ""
k -n "$ns" delete deployment orphan --cascade=orphan
has "$(k -n "$ns" get rs -l app=orphan -o name)" "replicaset.apps/orphan"
same "$(k -n "$ns" get rs -l app=orphan -o jsonpath='{.items[0].metadata.ownerReferences}')" ""
k -n "$ns" delete rs -l app=orphan
k -n "$ns" create configmap held
k -n "$ns" patch cm held -p '{"metadata":{"finalizers":["example.com/hold"]}}'
k -n "$ns" delete cm held --wait=false
has "$(k -n "$ns" get cm held -o jsonpath='{.metadata.deletionTimestamp}')" "20"
k -n "$ns" patch cm held --type=merge -p '{"metadata":{"finalizers":null}}'
has "$(k -n "$ns" get cm held 2>&1 || true)" "not found"
k -n "$ns" delete pod --all --now
