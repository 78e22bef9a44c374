#!/usr/bin/env bash
# Loads a packet filter in a network of its own and says what gets through it, one line a probe.
#
#   unshare --net --mount scan.sh RULES
#
# Two cables lead from the unit (this namespace) to a stranger (the namespace `far`): uplink0 and service0. Listeners
# stand on both sides; the accounts are those that the caller put into RULES: 20001 is the agent, 20002 chrony.
set -euo pipefail
rules=$1

mount -t tmpfs tmpfs /run
ip netns add far
for cable in uplink0:10.9.1 service0:10.9.2; do
    name=${cable%%:*} net=${cable##*:}
    ip link add name "$name" type veth peer name "far-${name%0}" netns far
    ip address add "$net.1/24" dev "$name"
    ip address add "fd00:${net##*.}::1/64" dev "$name" nodad
    ip link set "$name" up
    ip -n far address add "$net.2/24" dev "far-${name%0}"
    ip -n far address add "fd00:${net##*.}::2/64" dev "far-${name%0}" nodad
    ip -n far link set "far-${name%0}" up
done
ip link set lo up
ip -n far link set lo up
nft --file "$rules"

listen='
import socket, sys, time
kept = []
for port in map(int, sys.argv[1:]):
    kept.append(socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))
print("listening", flush=True)
sys.stdin.read()
'
probe='
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.7).close()
    print("open")
except ConnectionRefusedError:
    print("refused")
except OSError:
    print("silent")
'
coproc UNIT { /usr/bin/python3 -c "$listen" 22 80 443 9464; }
read -r _ <&"${UNIT[0]}"
coproc FAR { ip netns exec far /usr/bin/python3 -c "$listen" 123 443 8883; } 2>/dev/null
read -r _ <&"${FAR[0]}"

from_far() { echo "far $1 $2 $(ip netns exec far /usr/bin/python3 -c "$probe" "$1" "$2")"; }
as_account() { echo "account-$1 $2 $3 $(setpriv --reuid "$1" --clear-groups /usr/bin/python3 -c "$probe" "$2" "$3")"; }
for address in 10.9.1.1 fd00:1::1 10.9.2.1 fd00:2::1; do
    for port in 22 80 443 9464; do from_far $address $port; done
done
as_account 20001 10.9.1.2 8883
as_account 20001 fd00:1::2 443
as_account 65534 10.9.1.2 443
as_account 20002 10.9.1.2 8883
echo done
