# exec, attach, cp and port-forward over both of kubectl's transports: WebSocket and SPDY/3.1.
start_pod p 'mkdir -p /www; echo hello >/www/index.html; httpd -p 127.0.0.1:8080 -h /www; while read -r line; do echo got $line; done; sleep 1000' 'stdin: true'
head -c 3000000 /dev/urandom >"$work/there"
for websockets in true false; do
  export KUBECTL_REMOTE_COMMAND_WEBSOCKETS=$websockets KUBECTL_PORT_FORWARD_WEBSOCKETS=$websockets
  same "$(k -n "$ns" exec p -- sh -c 'echo out; echo err >&2' 2>"$work/err")" out
  same "$(cat "$work/err")" err
  code=0
  said=$(k -n "$ns" exec p -- sh -c 'exit 7' 2>&1) || code=$?
  same "$code" 7
  has "$said" "command terminated with exit code 7"
  has "$(k -n "$ns" exec p -- /nothere 2>&1 || true)" "nothere"
  # The end of stdin reaches the process, and all of its output comes back.
  same "$(k -n "$ns" exec -i p -- sha256sum <"$work/there" | cut -d' ' -f1)" \
    "$(sha256sum <"$work/there" | cut -d' ' -f1)"
  k -n "$ns" exec -i p -- cat <"$work/there" | cmp - "$work/there"
  k -n "$ns" cp "$work/there" "p:/tmp/file-$websockets"
  k -n "$ns" cp "p:/tmp/file-$websockets" "$work/back" 2>/dev/null
  cmp "$work/there" "$work/back"
  # A terminal, whose size is that of the caller's.
  out=$(printf 'stty size; exit\n' | timeout 20 script -qec \
    "stty rows 33 cols 77; nsenter --net=/run/netns/$netns -- env KUBECONFIG=$KUBECONFIG kubectl -n $ns exec -it p -- sh" /dev/null)
  has "$out" "33 77"
  # attach
  mkfifo "$work/keys-$websockets"
  exec 7<>"$work/keys-$websockets"
  become_inside timeout 20 kubectl -n "$ns" attach -i p <"$work/keys-$websockets" \
    >"$work/attach-$websockets.log" 2>&1 &
  attached=$!
  printf 'line-%s\n' $websockets >&7
  wait_for_line "$work/attach-$websockets.log" "got line-$websockets" $attached 15
  kill $attached
  wait $attached || true
  exec 7>&-
  # port-forward
  : >"$work/forward.log"
  become_inside kubectl -n "$ns" port-forward pod/p 18080:8080 18081:81 >"$work/forward.log" 2>&1 &
  forward=$!
  trap 'kill $forward 2>/dev/null || true' EXIT
  wait_for_line "$work/forward.log" "127.0.0.1:18081 ->" $forward 10
  for _ in 1 2 3; do same "$(inside curl -sS --max-time 10 http://127.0.0.1:18080/)" hello; done
  inside curl -s --max-time 10 http://127.0.0.1:18081/ && fail "nobody listens on port 81"
  has "$(cat "$work/forward.log")" "connection refused"
  kill $forward 2>/dev/null || true # A refused connection ends some versions of it.
  wait $forward || true
done
unset KUBECTL_REMOTE_COMMAND_WEBSOCKETS KUBECTL_PORT_FORWARD_WEBSOCKETS
k -n "$ns" delete pod p --now
