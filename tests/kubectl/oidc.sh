# Tokens of an external issuer, and of a file, at a server of its own that knows them by its flags.
command -v python3 >/dev/null && command -v openssl >/dev/null || { echo "needs python3, openssl"; exit 1; }
here_oidc=$root/tests/kubectl
# shellcheck source=tests/kubectl/jwt.bash
source "$here_oidc/jwt.bash"
dir=$work/oidc
mkdir -p "$dir"
issuer_pid="" second_pid=""
end_both() {
  for pid in $issuer_pid $second_pid; do
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
}
trap end_both EXIT

quiet_openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=issuer \
  -addext 'subjectAltName=IP:127.0.0.1' -keyout "$dir/tls.key" -out "$dir/tls.crt"
quiet_openssl genrsa -out "$dir/rsa.key" 2048
quiet_openssl genrsa -out "$dir/rsa-2.key" 2048
quiet_openssl ecparam -name prime256v1 -genkey -noout -out "$dir/ec.key"

# jwk KID KEY: an RSA key as a JSON Web Key; ec_jwk KID KEY.
jwk() {
  local n
  n=$(openssl rsa -in "$2" -noout -modulus 2>/dev/null | cut -d= -f2 | busybox xxd -r -p | b64url)
  echo "{\"kty\":\"RSA\",\"use\":\"sig\",\"kid\":\"$1\",\"n\":\"$n\",\"e\":\"AQAB\"}"
}
ec_jwk() {
  local point
  point=$(openssl ec -in "$2" -pubout -outform DER 2>/dev/null | tail -c 64 | busybox xxd -p | tr -d '\n')
  echo "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"$1\",\"x\":\"$(busybox xxd -r -p <<<"${point:0:64}" | b64url)\",\"y\":\"$(busybox xxd -r -p <<<"${point:64}" | b64url)\"}"
}
echo "{\"keys\":[$(jwk one "$dir/rsa.key"),$(ec_jwk curve "$dir/ec.key")]}" >"$dir/keys.json"
(become_inside "$here_oidc/oidc_issuer.py" "$dir") >"$dir/issuer.log" 2>&1 &
issuer_pid=$!
wait_for_line "$dir/issuer.log" listening $issuer_pid 30
issuer=https://127.0.0.1:$(cat "$dir/port")
echo "{\"issuer\":\"$issuer\",\"jwks_uri\":\"$issuer/keys\"}" >"$dir/openid-configuration"

echo 'static-token,joe,42,"devs,ops"' >"$dir/tokens.csv"
(become_inside "$ORCH" server --config "$work/config.yaml" --data-dir "$dir/data" --run-dir "$dir/run" \
  --write-kubeconfig "$dir/kubeconfig.yaml" --node-ip $node_ip --node-name second --disable-agent \
  --https-listen-port 7443 --token-auth-file "$dir/tokens.csv" \
  --oidc-issuer-url "$issuer" --oidc-client-id kubectl --oidc-ca-file "$dir/tls.crt" \
  --oidc-username-claim email --oidc-username-prefix 'oidc:' --oidc-groups-claim groups \
  --oidc-groups-prefix 'oidc:' --oidc-required-claim hd=example.com \
  --oidc-signing-algs RS256,ES256) >"$dir/server.log" 2>&1 &
second_pid=$!
wait_for_line "$dir/server.log" "server: ready;" $second_pid 30
wait_for_line "$dir/server.log" "oidc: keys of" $second_pid 10

# as TOKEN ...: kubectl with that token and no certificate.
as() {
  local token=$1
  shift
  inside kubectl --kubeconfig=/dev/null --server=https://127.0.0.1:7443 --insecure-skip-tls-verify \
    --token="$token" "$@"
}
whoami() { as "$1" auth whoami -o jsonpath='{.status.userInfo.username} {.status.userInfo.groups}'; }
later=$(($(date +%s) + 3600))
# claims MORE: a good token's, but for what comes later in MORE.
claims() {
  echo "{\"iss\":\"$issuer\",\"aud\":\"${aud:-kubectl}\",\"exp\":${exp:-$later},\"hd\":\"${hd:-example.com}\",\"email\":\"${email:-jane@example.com}\",\"groups\":${groups:-[\"devs\"]}}"
}

same "$(whoami static-token)" 'joe ["devs","ops","system:authenticated"]'
good=$(rsa_token one "$dir/rsa.key" "$(claims)")
same "$(whoami "$good")" 'oidc:jane@example.com ["oidc:devs","system:authenticated"]'
same "$(whoami "$(ec_token curve "$dir/ec.key" "$(claims)")")" 'oidc:jane@example.com ["oidc:devs","system:authenticated"]'
has "$(as "$good" get pods 2>&1 || true)" 'User "oidc:jane@example.com" cannot list resource "pods"'
KUBECONFIG=$dir/kubeconfig.yaml k create clusterrolebinding devs --clusterrole=view --group=oidc:devs
as "$good" get pods -A

refused() { has "$(as "$1" get pods -A 2>&1 || true)" 'Unauthorized\|must be logged in\|provide credentials'; }
refused "$(rsa_token one "$dir/rsa-2.key" "$(claims)")"
refused "$(rsa_token one "$dir/rsa.key" "$(aud=other claims)")"
refused "$(rsa_token one "$dir/rsa.key" "$(exp=1000 claims)")"
refused "$(rsa_token one "$dir/rsa.key" "$(hd=evil.com claims)")"
refused "${good%?????}AAAAA"
refused "$(printf '{"alg":"none","kid":"one"}' | b64url).$(claims | b64url)."

# A new key is fetched when its first token comes, which is good already.
echo "{\"keys\":[$(jwk two "$dir/rsa-2.key")]}" >"$dir/keys.json"
fresh=$(rsa_token two "$dir/rsa-2.key" "$(claims)")
: >"$dir/hits"
same "$(inside curl -sk --max-time 10 -o /dev/null -w '%{http_code}' -H "Authorization: Bearer $fresh" \
  https://127.0.0.1:7443/api/v1/pods)" 200
same "$(wc -l <"$dir/hits")" 2
same "$(whoami "$fresh")" 'oidc:jane@example.com ["oidc:devs","system:authenticated"]'
refused "$good"
# Who makes keys up does not make us ask without end.
: >"$dir/hits"
for n in 1 2 3 4 5 6 7 8; do refused "$(rsa_token "made-up-$n" "$dir/rsa.key" "$(claims)")"; done
[ "$(wc -l <"$dir/hits")" -le 6 ] || fail "the issuer is asked without end: $(wc -l <"$dir/hits")"
