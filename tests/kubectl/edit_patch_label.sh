# edit, patch of three kinds, label, annotate.
k -n "$ns" create configmap c --from-literal=x=1
has "$(KUBE_EDITOR="sed -i s/x:.*/x:\ edited/" k -n "$ns" edit cm c)" "edited"
same "$(k -n "$ns" get cm c -o jsonpath='{.data.x}')" edited
k -n "$ns" patch cm c --type=merge -p '{"data":{"y":"2","x":null}}'
same "$(k -n "$ns" get cm c -o jsonpath='{.data}')" '{"y":"2"}'
k -n "$ns" patch cm c --type=json -p '[{"op":"add","path":"/data/z","value":"3"}]'
same "$(k -n "$ns" get cm c -o jsonpath='{.data.z}')" 3
has "$(k -n "$ns" patch cm c --type=json -p '[{"op":"test","path":"/data/z","value":"4"}]' 2>&1 || true)" "rejected our request"
k -n "$ns" label cm c a=b
has "$(k -n "$ns" label cm c a=c 2>&1 || true)" "overwrite is false"
k -n "$ns" label --overwrite cm c a=c
same "$(k -n "$ns" get cm -l a=c -o name)" configmap/c
k -n "$ns" label cm c a-
same "$(k -n "$ns" get cm -l a=c -o name)" ""
k -n "$ns" annotate cm c note='some words'
same "$(k -n "$ns" get cm c -o jsonpath='{.metadata.annotations.note}')" "some words"
has "$(k -n "$ns" patch cm c -p '{"data":{"x":7}}' 2>&1 || true)" "cannot unmarshal number"
k -n "$ns" create deployment d --image=busybox:1 --replicas=0
k -n "$ns" patch deployment d -p '{"spec":{"template":{"spec":{"containers":[{"name":"busybox","env":[{"name":"A","value":"1"}]}]}}}}'
same "$(k -n "$ns" get deployment d -o jsonpath='{.spec.template.spec.containers[*].image}')" busybox:1
