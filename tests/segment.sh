# Several machines on one segment of Ethernet, each a network namespace of its own: $netns-1 and so
# on, with the address 192.168.250.N. The switch is a bridge in the namespace $netns, which
# tests/lib.sh cleans up. A suite sources this after tests/lib.sh, and calls remove_segment at its end.
# shellcheck shell=bash

machines=0
declare -A addresses=() # Where each is just now.

# on N COMMAND...: where machine N is.
on() {
  local n=$1
  shift
  nsenter --net=/run/netns/"$netns-$n" -- "$@"
}

# make_segment COUNT
make_segment() {
  local n
  machines=$1
  ip netns add "$netns"
  inside ip link add switch0 type bridge
  inside ip link set switch0 up
  for n in $(seq "$machines"); do
    ip netns add "$netns-$n"
    inside ip link add "port$n" type veth peer name ext0 netns "$netns-$n"
    inside ip link set "port$n" master switch0 up
    on "$n" ip link set lo up
    on "$n" ip link set ext0 up
    set_address "$n" "192.168.250.$n"
  done
}
remove_segment() {
  local n
  for n in $(seq "$machines"); do
    if [ -e /run/netns/"$netns-$n" ]; then ip netns del "$netns-$n"; fi
  done
}

# set_address N ADDRESS: its only one from now on.
set_address() {
  on "$1" ip addr flush dev ext0
  on "$1" ip addr add "$2/24" dev ext0
  on "$1" ip route replace default dev ext0
  addresses[$1]=$2
}
