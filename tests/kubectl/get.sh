# kubectl get in all its forms.
k -n "$ns" create configmap a --from-literal=x=1
k -n "$ns" create configmap b --from-literal=x=2 --from-literal=y=3
k -n "$ns" label configmap b tier=front
out=$(k -n "$ns" get configmap)
has "$out" "NAME  *DATA  *AGE"
has "$out" "^b  *2 "
same "$(k -n "$ns" get cm a -o jsonpath='{.data.x}')" 1
same "$(k -n "$ns" get cm -o name | grep -v kube-root | tr '\n' ' ')" "configmap/a configmap/b "
same "$(k -n "$ns" get cm -l tier=front -o name)" configmap/b
same "$(k -n "$ns" get cm -l 'tier notin (front)' -o name | grep -c 'configmap/a')" 1
same "$(k -n "$ns" get cm --field-selector metadata.name=a -o name)" configmap/a
has "$(k -n "$ns" get cm a -o yaml)" "^kind: ConfigMap"
has "$(k -n "$ns" get cm a -o json)" '"apiVersion": "v1"'
has "$(k get nodes -o wide)" "INTERNAL-IP"
has "$(k get nodes -o wide)" "192.168.250.1"
has "$(k get all -A)" "service/kubernetes"
has "$(k -n "$ns" get cm --show-labels)" "tier=front"
has "$(k -n "$ns" get cm --sort-by=.metadata.name)" "^a "
has "$(k -n "$ns" get cm nothing 2>&1 || true)" 'Error from server (NotFound): configmaps "nothing" not found'
has "$(k get spaceships 2>&1 || true)" "the server doesn't have a resource type"
same "$(k -n "$ns" get cm --chunk-size=1 -o name | wc -l)" "$(k -n "$ns" get cm -o name | wc -l)"
