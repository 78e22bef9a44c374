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
# Two sockets of the agent, of which one has asked all cameras on the uplink; says what comes to either.
answered='
import socket, sys
def at(family, address):
    held = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    held.bind(address)
    held.settimeout(0.7)
    return held
unasked, asked = at(socket.AF_INET, ("0.0.0.0", 40000)), at(socket.AF_INET, ("0.0.0.0", 40001))
kept = [unasked, asked, at(socket.AF_INET6, ("::", 40001))]
asked.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.9.1.1"))
asked.sendto(b"who is there", ("239.255.255.250", 3702))
print("asked", flush=True)
sys.stdin.readline()
heard = []
for held in kept:
    try:
        while True:
            heard.append(held.recv(99).decode())
    except OSError:
        pass
for probe in sys.argv[1:]:
    print("udp", probe, "open" if probe in heard else "silent")
print("heard", flush=True)
'
say='
import socket, sys
for probe in sys.argv[1:]:
    port, address, to = probe.split()[1:]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("", int(port)))
        held.sendto(probe.encode(), (address, int(to)))
'
probes=("unasked 3702 10.9.1.1 40000" "asked 3702 10.9.1.1 40001" "asked 3703 10.9.1.1 40001"
    "asked 3702 fd00:1::1 40001" "asked 3702 10.9.2.1 40001")
coproc AGENT { setpriv --reuid 20001 --clear-groups /usr/bin/python3 -c "$answered" "${probes[@]}"; }
read -r _ <&"${AGENT[0]}"
ip netns exec far /usr/bin/python3 -c "$say" "${probes[@]}"
echo >&"${AGENT[1]}"
while read -r line <&"${AGENT[0]}" && [[ $line != heard ]]; do echo "$line"; done
wait "$AGENT_PID"

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
