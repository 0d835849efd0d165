# A single server becomes the first of three, with all that it has.
start 1
put 1 before
has "$(member 1 list 2>&1 || true)" "--cluster-init"
stop 1
printf 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n' >"$work/policy.yaml"
audited="--audit-policy-file $work/policy.yaml --audit-log-path $work/audit.log"
# shellcheck disable=SC2046,SC2086
start 1 $(page 'orch server --cluster-init') $audited
seen 1 before
list=$(member 1 "$(page 'orch member list')")
has "$list" "^ID  *NAME  *ADDRESS  *ROLE  *LEADER  *STATUS$"
has "$list" "server-1  *192.168.250.1:6443  *voter  *true  *Ready"
token=$(cat "$(data 1)/server/server-token")
same "$(stat -c %a "$(data 1)/server/server-token")" 600
printf '%s\n' "$token" >"$work/token"

# Who is told no, and why.
refused 2 "refuses the token" --server "$(url 1)" --token "$(cat "$(data 1)/server/token")"
refused 2 "refuses the token" --server "$(url 1)" --token "${token}0"
refused 2 "not to be believed" --server "$(url 1)" --token "K10$(printf '0%.0s' {1..64})::${token##*::}"
refused 2 "the secret alone" --server "$(url 1)" --token "${token##*::}"
refused 2 "--service-cidr 10.96.0.0/16: the cluster has 10.43.0.0/16" --server "$(url 1)" \
  --token "$token" --service-cidr 10.96.0.0/16 --cluster-dns 10.96.0.10
called=server-1 refused 2 'the name "server-1" belongs to server' --server "$(url 1)" \
  --token "$token"
[ ! -e "$(data 2)/server/tls/ca.key" ] || fail "a server that was refused has the CA's key"
proof=$(printf 'orch server\n%s' "${token##*::}" | sha256sum | cut -d' ' -f1)
has "$(on 2 curl -sk -H "Orch-Proof: $proof" "$(url 1)/orch/v1/servers" \
  -d '{"protocol": 2, "version": "9.9.9", "name": "x"}')" "can't run beside orch 9.9.9"
start 4
refused 2 "is a single one: start it with --cluster-init" --server "$(url 4)" \
  --token "K10$(sed 's/^K10//; s/::.*//' "$(data 4)/server/token")::x"
stop 4
refused 4 "holds a cluster of its own" --server "$(url 1)" --token "$token"
rm -rf "$(data 4)"

# The flags are for the first start alone, and harmless later.
start 2 --server "$(url 1)" --token "$token"
stop 2
refused 2 "belongs to another cluster than the token" --token "K10$(printf '0%.0s' {1..64})::x"
cp "$work/token" "$work/token-2"
start 2 --server "$(url 1)" --token-file "$work/token-2"
stop 2
rm "$work/token-2"
start 2 --server "$(url 1)" --token-file "$work/token-2"
# shellcheck disable=SC2046
start 3 $(page 'orch server --server https://FIRST:6443 --token-file /etc/orch/server-token' \
  FIRST "${addresses[2]}" /etc/orch/server-token "$work/token")
ready_voters 1 3
ready_voters 2 3
ready_voters 3 3
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
