# shellcheck shell=sh
# The clock is never before the build of this system, nor before what it showed last: boards have no battery, and
# certificates are judged by it. The service `clock` asks the network, and `journal` keeps the time.

set_clock() {
    floor=$(cat /usr/lib/cloud-stick/built)
    last=$(stat -c %Y /var/lib/cloud-stick/clock 2>/dev/null || echo 0)
    [ "$last" -le "$floor" ] || floor=$last
    now=$(date +%s)
    [ "$now" -ge "$floor" ] || { date -u -s "@$floor" >/dev/null && note "the clock was at $now; set to $floor"; }
}
