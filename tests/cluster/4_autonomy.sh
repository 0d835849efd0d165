# Pods run on whoever of agent and server is away, and the agent finds back by itself.
before=$(lives)
same "$(wc -l <<<"$before")" 2

stop_agent KILL
has "$(fetch_1 "$ip_2:8080")" " web-2"
start_agent "agent: ready"
node_2_follows after-kill
same "$(lives)" "$before"
same "$(k -n "$ns" exec web-2 -- hostname)" web-2

stop_server
has "$(fetch_1 "$ip_2:8080")" " web-2"
has "$(fetch_2 "$vip_1")" " web-1"
has "$(fetch_2 "$vip_2")" " web-2"

# With no server in sight, the agent starts from what it has kept; the token is not needed.
stop_agent TERM
start_agent "agent: ready"
has "$(fetch_1 "$ip_2:8080")" " web-2"
has "$(fetch_2 "$vip_1")" " web-1"

start_server
node_2_follows after-all
same "$(lives)" "$before"
# The names come by watches of their own, which may take up a little later than that of the pods.
began=$SECONDS
until said=$(from_pod web-2 of-web-1 2>&1); do
  [ $((SECONDS - began)) -lt 20 ] || fail "the name of-web-1 is not known again: $said"
done
has "$said" "$ip_2 web-1"

# A pod's end reaches the other node, too.
k -n "$ns" delete pod web-2 --timeout=20s
k delete namespace "$ns" --timeout=40s
