# The administrator's credentials as the files that curl and others want: $work/admin.pem and
# $work/ca.pem; and what else of the kubeconfig is asked for by its name.
# shellcheck shell=bash
admin=$(k config view --raw -o json)
field() { echo "$admin" | grep -o "\"$1\": \"[^\"]*\"" | sed -n 1p | cut -d'"' -f4; }
field client-certificate-data | base64 -d >"$work/admin.pem"
field client-key-data | base64 -d >>"$work/admin.pem"
field certificate-authority-data | base64 -d >"$work/ca.pem"
