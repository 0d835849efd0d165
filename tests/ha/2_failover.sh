# Any server may die, be told to stop, or get another address.
first=$(leader 1)
others=$(for n in 1 2 3; do [ "$n" = "$first" ] || echo "$n"; done)
read -r a b <<<"$(echo $others)"

stop "$first" KILL
took=$(until_written "$a" killed)
echo "a write through another server took $took ms after kill -9 of the leader"
[ "$took" -le 2000 ] || fail "a write took $took ms after the leader was killed"
seen "$b" killed
has "$(member "$a" list)" "server-$first .* Unreachable"
start "$first"
ready_voters "$first" 3
seen "$first" killed

# In good order the leadership is handed over.
second=$(leader 1)
a=$(another "$second")
kill -TERM "${pids[$second]}"
took=$(until_written "$a" stopped)
echo "a write through another server took $took ms while the leader stopped"
[ "$took" -le 2000 ] || fail "a write took $took ms while the leader stopped"
stop "$second"
start "$second"

# A server that comes back elsewhere: the others find it, and it counts again.
third=$(leader 1)
moved=$(another "$third")
other=$(for n in 1 2 3; do [ "$n" = "$third" ] || [ "$n" = "$moved" ] || echo "$n"; done)
stop "$moved"
set_address "$moved" 192.168.250.10"$moved"
start "$moved"
has "$(member "$third" list)" "server-$moved  *192.168.250.10$moved:6443 .* Ready"
# With one of the others gone it is the moved one's vote that decides.
stop "$other" KILL
took=$(until_written "$third" moved)
seen "$moved" moved
start "$other"
ready_voters "$moved" 3

# Cut off, and back: no write is lost, none was accepted twice.
lost=$(leader 1)
a=$(another "$lost")
unplug "$lost"
took=$(until_written "$a" cut-off)
echo "a write took $took ms after the leader was cut off"
plug_in "$lost"
until_written "$lost" back >/dev/null
seen "$lost" cut-off
ready_voters "$lost" 3

# All of them come back elsewhere: none finds another but by a word.
for n in 1 2 3; do stop "$n"; done
for n in 1 2 3; do set_address "$n" 192.168.250.20"$n"; done
begin 1
# shellcheck disable=SC2046
begin 2 $(page 'orch server --server https://MOVED:6443' MOVED "${addresses[1]}")
# shellcheck disable=SC2046
begin 3 $(page 'orch server --server https://MOVED:6443' MOVED "${addresses[1]}")
for n in 1 2 3; do wait_for_line "$work/server-$n.log" "server: ready;" "${pids[$n]}" 60; done
for n in 1 2 3; do ready_voters "$n" 3; done
has "$(member 2 list)" "server-3  *192.168.250.203:6443"
