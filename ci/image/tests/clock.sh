# shellcheck shell=bash
# Time: a board without a battery starts at the time of its build, and takes that of the network as soon as there is one. The network here is
# a namespace of its own, with a server for names and one for time, which is a year ahead.

NAMESPACE=clock-$$
ip netns add "$NAMESPACE"
mkdir -p "/etc/netns/$NAMESPACE"
echo 'nameserver 127.0.0.1' >"/etc/netns/$NAMESPACE/resolv.conf"
namespace_end() {
    [[ -z ${TIME_PID:-} ]] || { kill "$TIME_PID" && wait "$TIME_PID"; } 2>/dev/null
    ip netns del "$NAMESPACE" 2>/dev/null
    rm -rf "/etc/netns/$NAMESPACE"
}
AT_END+=(namespace_end)
ip -n "$NAMESPACE" link set lo up

AHEAD=$((365 * 86400))
ip netns exec "$NAMESPACE" setpriv --pdeathsig KILL -- python3 "$REPOSITORY/ci/image/time-server.py" "$AHEAD" >"$WORK/time.log" 2>&1 &
TIME_PID=$!

card_new "$BOARD"
card_options "$FOR_TESTS"
# shellcheck disable=SC2034 # board.sh reads both
BOARD_PREFIX=(ip netns exec "$NAMESPACE") BOARD_CLOCK=2001-01-01T00:00:00
board_start
board_up
expect 'it starts at the time of the build' console_has 'cloud-stick: the clock was at'

step 'a network with a time'
ahead() { board_script "test \$(date +%s) -gt $(($(date +%s) + AHEAD - 86400))"; }
wait_until "$BOARD_PATIENCE" 'the time of the network to be taken' ahead
expect 'it was asked for' grep -q 'time for' "$WORK/time.log"

step 'the next start goes on from there, without a network'
board_script "kill -TERM \$(cat /run/service/journal.pid); until [ \$(stat -c %Y /var/lib/cloud-stick/clock) -gt $(($(date +%s) + AHEAD - 86400)) ]; do usleep 100000; done; sync"
board_kill
kill "$TIME_PID" && wait "$TIME_PID" 2>/dev/null || true
TIME_PID=
board_start
board_up
expect 'it is not before what it was' ahead
