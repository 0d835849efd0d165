# Roles: who may what, who may give it on, and what every cluster starts with.
k -n "$ns" create serviceaccount s
as=(--as="system:serviceaccount:$ns:s")
fails k "${as[@]}" -n "$ns" auth can-i list pods
fails k "${as[@]}" -n "$ns" get pods
has "$(k "${as[@]}" -n "$ns" get pods 2>&1 || true)" "pods is forbidden: User \"system:serviceaccount:$ns:s\" cannot list resource \"pods\" in API group \"\" in the namespace \"$ns\""

k -n "$ns" create role reader --verb=get,list --resource=pods,pods/log
k -n "$ns" create rolebinding reader --role=reader --serviceaccount="$ns:s"
same "$(k "${as[@]}" -n "$ns" auth can-i list pods)" yes
same "$(k "${as[@]}" -n "$ns" auth can-i get pods --subresource=log)" yes
fails k "${as[@]}" -n "$ns" auth can-i delete pods
fails k "${as[@]}" -n default auth can-i list pods
k "${as[@]}" -n "$ns" get pods
has "$(k "${as[@]}" -n "$ns" auth can-i --list)" 'pods/log .*\[get list\]'
has "$(k auth whoami "${as[@]}")" "system:serviceaccount:$ns:s"

# With the account's own token, as a pod has it.
token=$(k -n "$ns" create token s)
mine=(--kubeconfig=/dev/null --server="https://$node_ip:6443" --insecure-skip-tls-verify --token="$token")
inside kubectl "${mine[@]}" -n "$ns" get pods
fails inside kubectl "${mine[@]}" -n "$ns" get secrets
fails inside kubectl "${mine[@]}" get pods --as=jane

# Nobody gives away more than he has.
k create clusterrole "$ns-granter" --verb=create,update --resource=roles,rolebindings
k -n "$ns" create rolebinding granter --clusterrole="$ns-granter" --serviceaccount="$ns:s"
refused=$(k "${as[@]}" -n "$ns" create role more --verb=delete --resource=pods 2>&1 || true)
has "$refused" 'is attempting to grant RBAC permissions not currently held'
has "$refused" '{APIGroups:\[""\], Resources:\["pods"\], Verbs:\["delete"\]}'
k "${as[@]}" -n "$ns" create role less --verb=get --resource=pods
has "$(k "${as[@]}" -n "$ns" create rolebinding up --clusterrole=admin --user=jane 2>&1 || true)" 'not currently held'
k "${as[@]}" -n "$ns" create rolebinding fair --role=reader --user=jane
k --as=jane -n "$ns" get pods

# A right ends with what gave it.
k -n "$ns" delete rolebinding reader granter
fails k "${as[@]}" -n "$ns" get pods

# admin, edit and view hold what is aggregated into them.
has "$(k describe clusterrole view)" 'deployments.apps .*\[get list watch\]'
k create clusterrole "$ns-more" --verb=get --resource=secrets
k label clusterrole "$ns-more" rbac.authorization.k8s.io/aggregate-to-view=true
k wait clusterrole/view --timeout=10s \
  --for=jsonpath='{.rules[?(@.resources[0]=="secrets")].verbs[0]}'=get
k delete clusterrole "$ns-more" "$ns-granter"
same "$(k get clusterrole -l kubernetes.io/bootstrapping=rbac-defaults --no-headers | wc -l)" 65

# Everybody may look around; who is nobody may ask for health.
has "$(k --as=jane api-versions)" 'apps/v1'
fails k --as=jane get nodes
has "$(k auth can-i --list --as=jane)" 'selfsubjectaccessreviews'
