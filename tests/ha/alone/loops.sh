# What one server does for all goes over to the next one; what none may do twice is done once; and a
# write through one server is there at every other.
listed() {
  kube "$1" get endpoints kubernetes -o jsonpath='{.subsets[*].addresses[*].ip}' |
    tr ' ' '\n' | sort | tr '\n' ' '
}
holder() { kube "$1" -n kube-system get lease kube-controller-manager -o jsonpath='{.spec.holderIdentity}'; }
is_listed() { [ "$(listed "$1")" = "$2" ]; }
is_held() { [ "$(holder "$1")" = "$2" ]; }
# Has the namespace its ServiceAccount? A controller makes it.
is_served() { kube "$1" -n "$2" get serviceaccount default -o name >/dev/null 2>&1; }

begin_three
until_true 30 is_listed 2 "192.168.250.1 192.168.250.2 192.168.250.3 "
first=$(leader 1)
until_true 5 is_held 2 "server-$first"
same "$(kube 2 get endpointslice kubernetes -o jsonpath='{.endpoints[*].addresses[0]}' | wc -w)" 3

# Written through one, read through another at once.
for i in $(seq 30); do
  kube 1 create configmap "fresh-$i" >/dev/null
  kube $((i % 2 + 2)) get configmap "fresh-$i" -o name
done
# Read, changed and written through three.
kube 1 create configmap counter --from-literal=n=0
for i in $(seq 12); do
  kube $((i % 3 + 1)) patch configmap counter --type=merge -p "{\"data\":{\"n\":\"$((i % 2))\"}}" >/dev/null
  same "$(kube $(((i + 1) % 3 + 1)) get configmap counter -o jsonpath='{.data.n}')" "$((i % 2))"
done

# Services that are made through three servers at once.
makers=()
for n in 1 2 3; do
  for i in $(seq 12); do
      printf 'apiVersion: v1\nkind: Service\nmetadata: {name: s-%s-%s}\n' "$n" "$i"
    printf 'spec: {type: NodePort, ports: [{port: 80}]}\n---\n'
  done | kube "$n" create -f - >"$work/made-$n" 2>&1 &
  makers+=($!)
done
for n in 1 2 3; do
  wait "${makers[$((n - 1))]}" || fail "server $n: $(cat "$work/made-$n")"
done
same "$(kube 1 get services -o name | grep -c /s-)" 36
# doubled FIELD: how many values of it two Services have.
doubled() {
  kube 2 get services -o jsonpath="{range .items[*]}{$1}{\"\\n\"}{end}" | grep . | sort | uniq -d | wc -l
}
same "$(doubled .spec.clusterIP)" 0
same "$(doubled '.spec.ports[0].nodePort')" 0

# The leader dies: the loops go on elsewhere, and it is listed no more.
a=$(another "$first")
stop "$first" KILL
until_written "$a" while-dead
kube "$a" create namespace later
until_true 5 is_served "$a" later
second=$(leader "$a")
until_true 5 is_held "$a" "server-$second"
rest=$(for n in 1 2 3; do [ "$n" = "$first" ] || printf '192.168.250.%s ' "$n"; done)
until_true 40 is_listed "$a" "$rest"
start "$first"
until_true 30 is_listed "$a" "192.168.250.1 192.168.250.2 192.168.250.3 "
