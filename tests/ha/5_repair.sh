# A server whose files are damaged starts anew and has everything again from the others.
stop 4
put 1 whole

db() { echo "$(data "$1")/server/db"; }
id() { member "$1" list | awk -v name="server-$2" '$2 == name {print $1}'; }
# flip FILE AT: one bit of that byte.
flip() {
  local byte
  byte=$(od -An -tu1 -j "$2" -N 1 "$1")
  printf '%b' "\\x$(printf %02x $((byte ^ 1)))" |
    dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
middle() { echo $(($(stat -c %s "$1") / 2)); }
flip_middle() { flip "$1" "$(middle "$1")"; }
# What is damaged, one at a time.
flip_row() { flip_name "$1" whole; }
flip_name() { # Wherever it stands: some of it may be of a row that is gone.
  local at
  for at in $(grep -abo "\"name\":\"$2\"" "$(db "$1")/orch.db" | cut -d: -f1); do
    flip "$(db "$1")/orch.db" "$at"
  done
}
flip_log() { flip_middle "$(printf '%s\n' "$(db "$1")"/raft/0*-0* | tail -n 1)"; }
flip_copy() { flip_middle "$(printf '%s\n' "$(db "$1")"/raft/snapshot-*[0-9] | sort -V | tail -n 1)"; }
flip_vote() { flip "$(db "$1")/raft/metadata1" 8; }

# repaired N WAS ASKED: it has another identity than WAS, and all that there is.
repaired() {
  local each
  has "$(cat "$work/server-$1.log")" "is repaired from the others: .*$(db "$1")"
  ready_voters "$3" 3
  [ "$(id "$3" "$1")" != "$2" ] || fail "server $1 is still $2"
  lacks "$(member "$3" list)" "$2"
  for each in anew whole; do seen "$1" "$each"; done
  put "$1" "repaired-$(id "$3" "$1")"
  [ -e "$(data "$1")/server/member/damaged/orch.db" ] || fail "the damaged store is not kept"
  [ ! -e "$(data "$1")/server/member/repair" ] || fail "the repair is not over"
}
# damaged N KIND: once it is stopped; then it starts.
damaged() {
  local asked was
  asked=$(another "$1")
  was=$(id "$asked" "$1")
  stop "$1"
  "$2" "$1"
  start "$1"
  repaired "$1" "$was" "$asked"
}
for kind in flip_row flip_log flip_copy flip_vote; do
  follower=$(another "$(leader 1)")
  damaged "$follower" $kind
done
damaged "$(leader 1)" flip_row
damaged "$(leader 1)" flip_log
# It is one like any other afterwards.
stop 2
start 2
ready_voters 1 3

# Killed while it writes: nothing is damaged by that.
was=$(id 2 1)
stop 1 KILL
start 1
same "$(id 2 1)" "$was"
# The end of the log, as a crash leaves it, with a bit flipped in what was written.
put 1 written-last
stop 1 KILL
for segment in "$(db 1)"/raft/open-*; do
  if [ "$(od -An -tu1 -N 1 "$segment" | tr -d ' ')" = 1 ]; then flip "$segment" 40; fi
done
start 1
repaired 1 "$was" 2

# While there is no majority nothing is touched.
lead=$(leader 1)
lost=$(another "$lead")
other=$(for n in 1 2 3; do [ "$n" = "$lead" ] || [ "$n" = "$lost" ] || echo "$n"; done)
was=$(id "$lead" "$lost")
stop "$other"
stop "$lost"
flip_row "$lost"
before=$(sha256sum <"$(db "$lost")/orch.db")
begin "$lost"
wait_for_line "$work/server-$lost.log" "is damaged and left as it is" "${pids[$lost]}" 60
same "$(sha256sum <"$(db "$lost")/orch.db")" "$before"
kill -TERM "${pids[$lost]}"
wait "${pids[$lost]}" || fail "a server that waited for the others ended with $?"
unset "pids[$lost]"
begin "$lost"
wait_for_line "$work/server-$lost.log" "is damaged and left as it is" "${pids[$lost]}" 60
begin "$other"
wait_for_line "$work/server-$other.log" "server: ready;" "${pids[$other]}" 60
wait_for_line "$work/server-$lost.log" "server: ready;" "${pids[$lost]}" 90
repaired "$lost" "$was" "$lead"

# Found while it runs: it ends and says why, and its next start sees to it.
lead=$(leader 1)
lost=$(another "$lead")
was=$(id "$lead" "$lost")
stop "$lost"
start "$lost"
pages=$(($(stat -c %s "$(db "$lost")/orch.db") / 2048))
for at in $(seq 1 $((pages - 1))); do flip "$(db "$lost")/orch.db" $((at * 2048)); done
kube "$lead" label configmap --all heard=no >/dev/null
code=0
wait "${pids[$lost]}" || code=$?
same "$code" 1
unset "pids[$lost]"
has "$(tail -n 1 "$work/server-$lost.log")" "^orch: .*orch.db.*malformed"
start "$lost"
repaired "$lost" "$was" "$lead"
same "$(kube "$lost" get configmap whole -o jsonpath='{.metadata.labels.heard}')" no

# Removed is removed, damaged or not.
member "$lead" remove "server-$lost"
stop "$lost"
flip_row "$lost"
refused "$lost" "was removed from the cluster"
rm -rf "$(data "$lost")"
start "$lost" --server "$(url "$lead")" --token "$(cat "$(data "$lead")/server/server-token")"
ready_voters "$lead" 3

# Who knows no others says what can be restored.
flip_name 4 anew
refused 4 "$(db 4)/orch.db is damaged: row .*key /configmaps/default/anew"
refused 4 "orch snapshot list"
