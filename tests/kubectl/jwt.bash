# JSON Web Tokens of one's own making, for the scripts that test who is believed.
# shellcheck shell=bash
b64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
quiet_openssl() { openssl "$@" 2>/dev/null; }
# rsa_token KID KEY CLAIMS
rsa_token() {
  local text
  text=$(printf '{"alg":"RS256","kid":"%s"}' "$1" | b64url).$(printf '%s' "$3" | b64url)
  echo "$text.$(printf '%s' "$text" | openssl dgst -sha256 -sign "$2" | b64url)"
}
# ec_token KID KEY CLAIMS: the DER signature becomes two numbers of 32 bytes.
ec_token() {
  local text plain
  text=$(printf '{"alg":"ES256","kid":"%s"}' "$1" | b64url).$(printf '%s' "$3" | b64url)
  plain=$(printf '%s' "$text" | openssl dgst -sha256 -sign "$2" | openssl asn1parse -inform DER |
    grep INTEGER | sed 's/.*://' | while read -r n; do printf '%64s' "$n" | tr ' ' 0; done)
  echo "$text.$(busybox xxd -r -p <<<"$plain" | b64url)"
}
