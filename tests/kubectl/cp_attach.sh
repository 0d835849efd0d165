# kubectl cp copies both ways; kubectl attach shows what a process writes and feeds its stdin.
start_pod p 'while read -r line; do echo got $line; done; sleep 1000' 'stdin: true'
head -c 2000000 /dev/urandom >"$work/there"
k -n "$ns" cp "$work/there" p:/tmp/file
k -n "$ns" cp p:/tmp/file "$work/back" 2>/dev/null
cmp "$work/there" "$work/back"
mkdir -p "$work/tree/sub"
echo deep >"$work/tree/sub/leaf"
k -n "$ns" cp "$work/tree" p:/tmp/tree
same "$(k -n "$ns" exec p -- cat /tmp/tree/sub/leaf)" deep
mkfifo "$work/keys"
exec 7<>"$work/keys" # Held open: attach must not see an end yet.
become_inside timeout 20 kubectl -n "$ns" attach -i p <"$work/keys" >"$work/attach.log" 2>&1 &
attached=$!
printf "one\ntwo\n" >&7
wait_for_line "$work/attach.log" "got two" $attached 15
out=$(cat "$work/attach.log")
kill $attached
wait $attached || true
exec 7>&-
has "$out" "got one"
has "$out" "got two"
has "$(k -n "$ns" logs p)" "got two"
k -n "$ns" delete pod p --now
