# Service accounts' tokens with keys, issuers and audiences of one's own, at a server of its own that
# knows them by its flags.
command -v openssl >/dev/null || { echo "needs openssl"; exit 1; }
# shellcheck source=tests/kubectl/jwt.bash
source "$root/tests/kubectl/jwt.bash"
dir=$work/own-keys
mkdir -p "$dir"
second_pid=""
end_second() {
  kill -TERM $second_pid 2>/dev/null || true
  wait $second_pid 2>/dev/null || true
}
trap end_second EXIT
for key in signing old strange; do
  quiet_openssl ecparam -name prime256v1 -genkey -noout -out "$dir/$key.key"
  quiet_openssl ec -in "$dir/$key.key" -pubout -out "$dir/$key.pub"
done
(become_inside "$ORCH" server --config "$work/config.yaml" --data-dir "$dir/data" --run-dir "$dir/run" \
  --write-kubeconfig "$dir/kubeconfig.yaml" --node-ip $node_ip --node-name second --disable-agent \
  --https-listen-port 7444 --service-account-signing-key-file "$dir/signing.key" \
  --service-account-key-file "$dir/old.pub" --service-account-issuer https://new.example \
  --service-account-issuer https://old.example --api-audiences mine,also-mine) >"$dir/server.log" 2>&1 &
second_pid=$!
wait_for_line "$dir/server.log" "server: ready;" $second_pid 30
own() { KUBECONFIG=$dir/kubeconfig.yaml k "$@"; }
whoami() {
  inside kubectl --kubeconfig=/dev/null --server=https://127.0.0.1:7444 --insecure-skip-tls-verify \
    --token="$1" auth whoami -o jsonpath='{.status.userInfo.username}'
}
refused() { has "$(whoami "$1" 2>&1 || true)" 'Unauthorized\|must be logged in\|provide credentials'; }
payload() { cut -d. -f2 <<<"$1" | tr '_-' '/+' | busybox awk '{ while (length($0) % 4) $0 = $0 "="; print }' | base64 -d; }

own wait --for=create serviceaccount/default --timeout=20s
token=$(own create token default)
has "$(payload "$token")" '"iss":"https://new.example"'
has "$(payload "$token")" '"aud":\["mine","also-mine"\]'
same "$(whoami "$token")" system:serviceaccount:default:default
# The signature is the given key's.
text=${token%.*}
raw=$(cut -d. -f3 <<<"$token" | tr '_-' '/+' | busybox awk '{ while (length($0) % 4) $0 = $0 "="; print }' | base64 -d | busybox xxd -p | tr -d '\n')
cat >"$dir/signature.cnf" <<EOF
asn1=SEQUENCE:pair
[pair]
r=INTEGER:0x${raw:0:64}
s=INTEGER:0x${raw:64}
EOF
openssl asn1parse -genconf "$dir/signature.cnf" -noout -out "$dir/signature.der"
printf '%s' "$text" | openssl dgst -sha256 -verify "$dir/signing.pub" -signature "$dir/signature.der"

# What others are told of it.
same "$(own get --raw /.well-known/openid-configuration | grep -o '"issuer":"[^"]*"')" '"issuer":"https://new.example"'
same "$(own get --raw /openid/v1/jwks | grep -o '"kid"' | wc -l)" 2

# Tokens of before: the older issuer's, signed with the older key.
uid=$(own get serviceaccount default -o jsonpath='{.metadata.uid}')
kid=$(payload "x.$(cut -d. -f1 <<<"$token")" | grep -o '"kid":"[^"]*"' | cut -d'"' -f4)
kids=$(own get --raw /openid/v1/jwks | grep -o '"kid":"[^"]*"' | cut -d'"' -f4)
has "$kids" "$kid"
old_kid=$(grep -v -- "$kid" <<<"$kids")
now=$(date +%s)
# claims ISSUER AUDIENCE UID
claims() {
  printf '{"iss":"%s","aud":["%s"],"exp":%d,"iat":%d,"nbf":%d,"sub":"system:serviceaccount:default:default","kubernetes.io":{"namespace":"default","serviceaccount":{"name":"default","uid":"%s"}}}' \
    "$1" "$2" $((now + 600)) "$now" "$now" "$3"
}
same "$(whoami "$(ec_token "$old_kid" "$dir/old.key" "$(claims https://old.example mine "$uid")")")" system:serviceaccount:default:default
same "$(whoami "$(ec_token "$kid" "$dir/signing.key" "$(claims https://old.example also-mine "$uid")")")" system:serviceaccount:default:default
refused "$(ec_token "$old_kid" "$dir/strange.key" "$(claims https://old.example mine "$uid")")"
refused "$(ec_token "$old_kid" "$dir/old.key" "$(claims https://else.example mine "$uid")")"
refused "$(ec_token "$old_kid" "$dir/old.key" "$(claims https://old.example yours "$uid")")"
refused "$(ec_token "$old_kid" "$dir/old.key" "$(claims https://old.example mine another)")"
# A token for another audience is one here for nobody, and good for whom it is meant.
other=$(own create token default --audience=vault)
refused "$other"
printf '{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{"token":"%s","audiences":["vault"]}}' "$other" >"$dir/review.json"
has "$(own create --raw /apis/authentication.k8s.io/v1/tokenreviews -f "$dir/review.json")" '"authenticated":true'
