# A single server becomes the first of three while it serves, with all that it has.
printf 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n' >"$work/policy.yaml"
# shellcheck disable=SC2046
start 1 $(page 'orch server') --audit-policy-file "$work/policy.yaml" --audit-log-path "$work/audit.log"
single=${pids[1]}
put 1 before
list=$(member 1 "$(page 'orch member list')")
has "$list" "^ID  *NAME  *ADDRESS  *ROLE  *LEADER  *STATUS$"
has "$list" "server-1  *192.168.250.1:6443  *voter  *true  *Ready"
has "$(member 1 remove server-1 2>&1 || true)" "is the last voter"
token=$(cat "$(data 1)/server/server-token")
same "$(stat -c %a "$(data 1)/server/server-token")" 600
printf '%s\n' "$token" >"$work/token"

# Who is told no, and why.
refused 2 "refuses the token" --server "$(url 1)" --token "$(cat "$(data 1)/server/token")"
refused 2 "refuses the token" --server "$(url 1)" --token "${token}0"
refused 2 "not to be believed" --server "$(url 1)" --token "K10$(printf '0%.0s' {1..64})::${token##*::}"
refused 2 "the secret alone" --server "$(url 1)" --token "${token##*::}"
called=server-1 refused 2 'the name "server-1" belongs to server' --server "$(url 1)" \
  --token "$token"
[ ! -e "$(data 2)/server/tls/ca.key" ] || fail "a server that was refused has the CA's key"
proof=$(printf 'orch server\n%s' "${token##*::}" | sha256sum | cut -d' ' -f1)
has "$(on 2 curl -sk -H "Orch-Proof: $proof" "$(url 1)/orch/v1/servers" \
  -d '{"protocol": 2, "version": "9.9.9", "name": "x"}')" "can't run beside orch 9.9.9"
start 4
stop 4
refused 4 "holds a cluster of its own" --server "$(url 1)" --token "$token"
rm -rf "$(data 4)"
has_grown() { [ -e "$(data 1)/server/member/enrollment.json" ]; }
fails has_grown

# It is written to and watched all the while.
kube 1 --request-timeout=0 get configmaps --watch-only -o name >"$work/watched" 2>"$work/watch-said" &
watch=$!
# write_on N: configmaps, one after the other, 30 a second or so, until there is a file "enough".
write_on() {
  local i
  for ((i = 0; ; i++)); do
    [ ! -e "$work/enough" ] || break
    for k in $(seq 30); do
      printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: on-%s-%s-%s}\n---\n' "$1" "$i" "$k"
    done | kube 1 create -f - -o name || return 1
  done >"$work/written-$1"
}
writers=()
for n in 1 2 3; do
  write_on $n 2>"$work/failed-$n" &
  writers+=($!)
done
has_written() { [ "$(cat "$work"/written-* | wc -l)" -gt "$1" ]; }
until_true 20 has_written 30

# From the first welcome on it is one of several, though this newcomer then thinks better of it.
refused 2 "--service-cidr 10.96.0.0/16: the cluster has 10.43.0.0/16" --server "$(url 1)" \
  --token "$token" --service-cidr 10.96.0.0/16 --cluster-dns 10.96.0.10
has_grown
has "$(cat "$work/server-1.log")" "this server is one of several now"
ready_voters 1 1

start 2 --server "$(url 1)" --token "$token"
# shellcheck disable=SC2046
start 3 $(page 'orch server --server https://FIRST:6443 --token-file /etc/orch/server-token' \
  FIRST "${addresses[2]}" /etc/orch/server-token "$work/token")
ready_voters 1 3
ready_voters 2 3
ready_voters 3 3

# Nothing failed, nothing was missed, and nothing was started anew.
until_true 20 has_written $(($(cat "$work"/written-* | wc -l) + 60))
: >"$work/enough"
for n in 1 2 3; do
  wait "${writers[$((n - 1))]}" || fail "writer $n: $(cat "$work/failed-$n")"
done
is_all_watched() { [ "$(sort "$work/watched")" = "$(sort "$work"/written-*)" ]; }
until_true 20 is_all_watched
kill -0 "$watch" || fail "the watch ended: $(cat "$work/watch-said")"
kill "$watch"
same "${pids[1]}" "$single"
same "$(grep -c 'server: ready;' "$work/server-1.log")" 1
# The loops of the single server's time have begun anew.
kube 1 create namespace later
is_served() { kube 1 -n later get serviceaccount default -o name >/dev/null 2>&1; }
until_true 10 is_served

# The flags are for the first start alone, and harmless later.
stop 2
refused 2 "belongs to another cluster than the token" --token "K10$(printf '0%.0s' {1..64})::x"
cp "$work/token" "$work/token-2"
start 2 --server "$(url 1)" --token-file "$work/token-2"
stop 2
rm "$work/token-2"
start 2 --server "$(url 1)" --token-file "$work/token-2"
ready_voters 2 3

for n in 1 2 3; do seen $n before; done
for n in 1 2 3; do put $n "of-$n"; done
for n in 1 2 3; do for m in 1 2 3; do seen $n "of-$m"; done; done
for n in 2 3; do
  for file in tls/ca.key tls/service-account.key tls/admin.token token encryption-config.json; do
    cmp "$(data 1)/server/$file" "$(data $n)/server/$file"
  done
  same "$(stat -c %a "$(data $n)/server/tls/ca.key" "$(data $n)/server/tls/peer.key" | sort -u)" 600
done
# What one alone encrypts the others could not read.
has "$(on 1 "$ORCH" secrets-encrypt rotate-keys --data-dir "$(data 1)" 2>&1 || true)" "stop all of them"
cmp "$(data 1)/server/encryption-config.json" "$(data 2)/server/encryption-config.json"
has "$(cat "$work/audit.log")" '"requestURI":"/orch/v1/servers"'
has "$(cat "$work/audit.log")" '"username":"orch:server:'
# A token of one is a token of all.
bearer=$(kube 1 create token default)
has "$(on 3 curl -sk -H "Authorization: Bearer $bearer" "$(url 3)/apis/authentication.k8s.io/v1/selfsubjectreviews" \
  -H 'Content-Type: application/json' -d '{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1"}')" \
  "system:serviceaccount:default:default"
same "$(on 3 curl -sk -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $bearer" \
  "$(url 3)/orch/v1/members")" 403
# Nobody who isn't a server, or an administrator, gets in by their doors.
same "$(on 2 curl -sk -o /dev/null -w '%{http_code}' "$(url 1)/orch/v1/members")" 403
same "$(on 2 curl -sk -o /dev/null -w '%{http_code}' "$(url 1)/orch/v1/peer?use=raft")" 401
same "$(on 2 curl -sk -o /dev/null -w '%{http_code}' -XPOST -d '{}' "$(url 1)/orch/v1/servers")" 401
