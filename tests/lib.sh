# Shared by the suites that run the real executable: a cluster in a network namespace of its own.
#
# A suite sources this with ORCH (the executable) set, calls start_server, and is cleaned up after
# by a trap: processes by id, pods by `orch reset`, the namespace by name. Nothing outside is touched.
# shellcheck shell=bash

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PATH=$root/build/tools:$PATH

work=$(mktemp -d /tmp/orch-test.XXXXXX)
server_pid=""
etcd_pid=""
netns=orch-$(basename "$work" | tr -cd 'a-zA-Z0-9')
node_ip=192.168.250.1
export KUBECONFIG=$work/kubeconfig.yaml
export ORCH_POD_LOG_DIR=$work/pod-logs
: >"$work/config.yaml"

skip() {
  echo "skipped: $*"
  exit 77
}

need() {
  [ "$(id -u)" = 0 ] || skip "needs root"
  for tool in "$@"; do
    command -v "$tool" >/dev/null || skip "needs $tool"
  done
}

# Runs a command where the cluster's network is. (ip netns exec would hide /sys/fs/cgroup.)
inside() { nsenter --net=/run/netns/"$netns" -- "$@"; }
# The same instead of the shell, for what goes into the background: $! is then the command's own.
become_inside() { exec nsenter --net=/run/netns/"$netns" -- "$@"; }
k() { inside kubectl "$@"; }

make_netns() {
  ip netns add "$netns"
  inside ip link set lo up
  # A bridge without ports stands for the machine's network card.
  inside ip link add ext0 type bridge
  inside ip addr add $node_ip/24 dev ext0
  inside ip link set ext0 up
  inside ip route add default dev ext0
}

# An etcd of the suite's own, at http://127.0.0.1:2379 in the namespace.
start_etcd() {
  need etcd
  : >"$work/etcd.log"
  become_inside etcd --name one --data-dir "$work/etcd" --log-outputs stderr --logger zap \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
    --initial-cluster one=http://127.0.0.1:2380 >>"$work/etcd.log" 2>&1 &
  etcd_pid=$!
  wait_for_line "$work/etcd.log" "serving client traffic" $etcd_pid 20
}

# Starts `orch server` with the given further flags and waits until it says that it is ready. With
# ORCH_TEST_DATASTORE=etcd in the environment it keeps its state in an etcd of its own.
start_server() {
  if [ "${ORCH_TEST_DATASTORE:-}" = etcd ]; then
    [ -n "$etcd_pid" ] || start_etcd
    set -- --datastore-endpoint http://127.0.0.1:2379 "$@"
  fi
  : >"$work/server.log"
  become_inside "$ORCH" server --config "$work/config.yaml" --data-dir "$work/data" \
    --run-dir "$work/run" --write-kubeconfig "$KUBECONFIG" --node-ip $node_ip --node-name node-1 \
    "$@" >>"$work/server.log" 2>&1 &
  server_pid=$!
  wait_for_line "$work/server.log" "server: ready;" $server_pid 30
}

# Waits, woken by the file itself, until a line with the text stands in it.
wait_for_line() {
  local file=$1 text=$2 pid=$3 seconds=$4
  : >>"$file" # It may not have been opened yet.
  if ! timeout "$seconds" grep -q -m1 -- "$text" < <(tail --pid="$pid" -n +1 -f "$file" 2>/dev/null); then
    echo "no \"$text\" in $file within $seconds s:"
    tail -n 30 "$file"
    return 1
  fi
}

wait_node_ready() {
  k wait --for=create node/node-1 --timeout=30s >/dev/null
  k wait --for=condition=Ready node/node-1 --timeout=30s >/dev/null
}

# deploy NAME REPLICAS: a Deployment of sleepers in $ns that end at once.
deploy() {
  k -n "$ns" apply -f - <<EOF
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1, labels: {app: $1}}
spec:
  replicas: $2
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {name: main, image: "busybox:1", command: [sleep, "1000"]}
EOF
}

# start_pod NAME SCRIPT [MORE]: a pod in $ns that ends at once, whose container main runs the shell script;
# MORE is more of that container, in YAML. Comes back when it is ready.
start_pod() {
  k -n "$ns" apply -f - <<EOF
apiVersion: v1
kind: Pod
metadata: {name: $1}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: main, image: "busybox:1", command: [sh, -c, '${2//\'/\'\'}']${3:+, $3}}
EOF
  k -n "$ns" wait --for=condition=Ready "pod/$1" --timeout=30s
}

stop_server() {
  [ -n "$server_pid" ] || return 0
  kill -TERM "$server_pid" 2>/dev/null || true
  wait "$server_pid" || true
  server_pid=""
}

clean_up() {
  local code=$?
  set +e
  trap '' PIPE # Nobody may listen any more.
  if [ "$code" != 0 ] && [ "$code" != 77 ] && [ -s "$work/server.log" ]; then
    echo "---- the last of server.log"
    tail -n 40 "$work/server.log"
  fi
  # What a suite has added; it may define this.
  if declare -F clean_up_more >/dev/null; then clean_up_more "$code"; fi
  stop_server
  if [ -n "$etcd_pid" ]; then
    kill -KILL "$etcd_pid"
    wait "$etcd_pid" 2>/dev/null
  fi
  if [ -e /run/netns/"$netns" ]; then
    inside "$ORCH" reset --data-dir "$work/data" --run-dir "$work/run" >/dev/null
    ip netns del "$netns"
  fi
  rm -rf --one-file-system "$work"
  exit "$code"
}
trap clean_up EXIT

# Assertions: they say what they wanted and got.
fail() {
  echo "FAILED: $*"
  exit 1
}
same() { [ "$1" = "$2" ] || fail "wanted '$2', got '$1'"; }
has() { grep -q -- "$2" <<<"$1" || fail "wanted '$2' in: $1"; }
fails() { ! "$@" >/dev/null 2>&1 || fail "should have failed: $*"; }
lacks() { ! grep -q -- "$2" <<<"$1" || fail "did not want '$2' in: $1"; }
