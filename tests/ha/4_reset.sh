# Two of three are lost for good: the third begins anew with what it has.
for n in 1 2 3; do put $n "last-of-$n"; done
revision=$(kube 1 get configmap last-of-3 -o jsonpath='{.metadata.resourceVersion}')
stop 2 KILL
stop 3 KILL
fails kube 1 --request-timeout=3s create configmap too-few
has "$(on 1 "$ORCH" server --cluster-reset --data-dir "$(data 1)" 2>&1 || true)" "in another process"
stop 1
# While it waits for a majority that won't come it ends when it is told to.
begin 1
wait_for_line "$work/server-1.log" "no leader is known" "${pids[1]}" 30
kill -TERM "${pids[1]}"
wait "${pids[1]}" || fail "a server that waited for the others ended with $?"
unset "pids[1]"
said=$(on 1 "$ORCH" server "$(page 'orch server --cluster-reset')" --data-dir "$(data 1)")
has "$said" "this server is the whole cluster now"
start 1
ready_voters 1 1
for n in 1 2 3; do seen 1 "last-of-$n"; done
put 1 anew
later=$(kube 1 get configmap anew -o jsonpath='{.metadata.resourceVersion}')
[ "$later" -gt "$revision" ] || fail "revision $later after $revision"

# The others' data is of a former cluster.
refused 2 "former cluster"
for n in 2 3; do
  rm -rf "$(data $n)"
  start $n --server "$(url 1)" --token "$(cat "$(data 1)/server/server-token")"
done
ready_voters 3 3
for n in 1 2 3; do seen $n anew; done

# And where no server is left there is a snapshot.
said=$(on 3 "$ORCH" snapshot save --data-dir "$(data 3)")
saved=${said#saved }
saved=${saved%% *}
# shellcheck disable=SC2046
on 4 "$ORCH" server --data-dir "$(data 4)" $(page \
  'orch server --cluster-reset --cluster-reset-restore-path /root/on-demand-20260102T030405.678Z.tar.gz' \
  /root/on-demand-20260102T030405.678Z.tar.gz "$saved")
start 4
ready_voters 4 1
seen 4 anew
