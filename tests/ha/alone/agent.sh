# A node goes on with another server when its own dies.
begin_three
cp "$(data 1)/server/token" "$work/node-token"
: >"$work/server-4.log"
(exec nsenter --net=/run/netns/"$netns-4" -- "$ORCH" agent --config "$work/config.yaml" \
    --data-dir "$(data 4)" --run-dir "$work/run-4" --server "$(url 1)" --token-file "$work/node-token" \
    --node-ip "${addresses[4]}" --node-name node-4 >>"$work/server-4.log" 2>&1) &
pids[4]=$!
wait_for_line "$work/server-4.log" "agent: ready" "${pids[4]}" 40
ready() {
  kube "$1" get node node-4 -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}' | grep -q True
}
until_true 30 ready 1
all_known() { [ "$(cat "$(data 4)/agent/tls/servers" 2>/dev/null | wc -l)" = 3 ]; }
until_true 40 all_known
# Whose connections it has.
peers() { on 4 ss -Htn state established '( dport = :6443 )' | awk '{print $4}' | sort | uniq -c; }
renewed() { kube "$1" -n kube-node-lease get lease node-4 -o jsonpath='{.spec.renewTime}'; }
has_renewed() { [ "$(renewed "$a")" != "$before" ]; }
heard() {
  kube "$a" get pod "pod-$round" -o jsonpath='{.status.containerStatuses[0].state}' | grep -q waiting
}

# Its server is killed, then the one that it turned to is unplugged.
for round in 1 2; do
  mine=$(peers | sort -rn | awk 'NR==1 {sub(":.*", "", $2); sub(".*[.]", "", $2); print $2}')
  a=$(another "$mine")
  echo "round $round: the agent is at server $mine"
  before=$(renewed "$a")
  if [ $round = 1 ]; then stop "$mine" KILL; else unplug "$mine"; fi
  until_written "$a" "gone-$round"
  until_true 20 has_renewed
  kube "$a" apply -f - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: pod-$round}
spec: {nodeName: node-4, containers: [{name: c, image: "127.0.0.1:1/none"}]}
YAML
  until_true 20 heard
  ready "$a"
  if [ $round = 1 ]; then start "$mine"; fi
done
kube "$a" delete pod pod-1 pod-2 --grace-period=0 --timeout=20s
stop 4
on 4 "$ORCH" reset --data-dir "$(data 4)" --run-dir "$work/run-4" >/dev/null
