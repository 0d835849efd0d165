# Servers are taken out, replaced, and begun anew after all others are lost.
token=$(cat "$(data 1)/server/server-token")
dead=2
[ "$(leader 1)" != 2 ] || dead=3
alive=$(for n in 2 3; do [ "$n" = "$dead" ] || echo "$n"; done)
stop "$dead" KILL

# Not the one that is needed.
has "$(member 1 remove "server-$alive" 2>&1 || true)" "of which 1 answer and 2 are needed"
has "$(member 1 remove nobody 2>&1 || true)" 'no server of the cluster has the name or id "nobody"'
has "$(member 1 promote server-1 2>&1 || true)" "is a voter already"
# A name is only free once its server is removed.
called=server-$dead refused 4 "the name \"server-$dead\" belongs" --server "$(url 1)" \
  --token "$token"
# shellcheck disable=SC2046
has "$(member 1 $(page 'orch member remove two' two "server-$dead"))" "^removed [0-9a-f]* (server-$dead)"
ready_voters 1 2
lacks "$(member 1 list)" "server-$dead"

# Removed is removed; with an empty disk it is a new server.
refused "$dead" "was removed from the cluster"
rm -rf "$(data "$dead")"
start "$dead" --server "$(url 1)" --token "$token"
ready_voters "$dead" 3
seen "$dead" before

# The leader itself can be removed, and is gone then.
led=$(leader 1)
asked=$(another "$led")
member "$asked" remove "server-$led"
ready_voters "$asked" 2
until_written "$asked" without-it >/dev/null
# It ends by itself.
wait_for_line "$work/server-$led.log" "orch: this server was removed" "${pids[$led]}" 30
wait "${pids[$led]}" && fail "a server that was removed ended as if all were well"
unset "pids[$led]"
# A service manager may start it again.
refused "$led" "was removed from the cluster"
rm -rf "$(data "$led")"
start "$led" --server "$(url "$asked")" --token "$token"
ready_voters "$asked" 3
