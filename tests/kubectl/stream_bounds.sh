# A hundred megabytes each way, past slow readers, over both transports: all of it arrives, and the
# server (which is the node too) holds no more of it than its buffers.
k -n "$ns" run p --image=busybox:1 --command -- sleep 1000
k -n "$ns" wait --for=condition=Ready pod/p --timeout=30s
peak_kb() { awk '/^VmHWM:/ {print $2}' "/proc/$server_pid/status"; }
size=100000000
for websockets in true false; do
  export KUBECTL_REMOTE_COMMAND_WEBSOCKETS=$websockets
  k -n "$ns" exec p -- true
  echo 5 >"/proc/$server_pid/clear_refs" # The peak begins anew.
  before=$(peak_kb)
  same "$(k -n "$ns" exec p -- head -c $size /dev/zero | dd bs=900 2>/dev/null | wc -c)" $size
  same "$(head -c $size /dev/zero | k -n "$ns" exec -i p -- sh -c 'dd bs=900 2>/dev/null | wc -c')" $size
  grown=$(($(peak_kb) - before))
  echo "grown by $grown KiB, WebSocket: $websockets"
  [ "$grown" -lt 16384 ] || fail "the server grew by $grown KiB"
done
unset KUBECTL_REMOTE_COMMAND_WEBSOCKETS
k -n "$ns" delete pod p --now
