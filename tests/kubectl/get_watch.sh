# kubectl get -w shows every change as it happens.
k -n "$ns" create configmap w --from-literal=x=1
inside timeout 20 kubectl -n "$ns" get cm w -w -o jsonpath='{.data.x}{"\n"}' >"$work/watch.out" &
watcher=$!
wait_for_line "$work/watch.out" "^1" $watcher 10
k -n "$ns" patch cm w -p '{"data":{"x":"2"}}'
wait_for_line "$work/watch.out" "^2" $watcher 10
k -n "$ns" patch cm w --type=json -p '[{"op":"replace","path":"/data/x","value":"3"}]'
wait_for_line "$work/watch.out" "^3" $watcher 10
kill $watcher
