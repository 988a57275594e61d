# shellcheck shell=sh
# The hardware watchdog restarts the board when this system does not even run `watchdog` any more. 16 s is the longest that
# sunxi's can wait. Not a service: if it dies, the board is to start again.

start_watchdog() {
    [ -e /dev/watchdog ] || { note 'this board has no watchdog' && return; }
    watchdog -T 16 -t 4 /dev/watchdog
}
