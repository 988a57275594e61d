# shellcheck shell=sh
# What the steps share.

# note TEXT: into the log, and to the console, where somebody with a serial cable reads it.
note() {
    echo "cloud-stick: $*" >/dev/console
    logger -t start "$*" 2>/dev/null
}

# event TEXT: something that the owner has to hear of. The page shows those since the start (crates/gadget-manager/src/control/live/events.rs), and
# they are kept. Before there is a place where they are, they wait for keep_early_events.
EVENTS=/var/lib/cloud-stick/events
EVENTS_NOW=/run/cloud-stick/events
event() {
    note "$*"
    echo "$*" >>$EVENTS_NOW
    [ ! -d "${EVENTS%/*}" ] || keep_event "$*"
}

# keep_event TEXT: for after a restart. Bounded: the older half goes.
keep_event() {
    echo "$(date -u +%Y-%m-%dT%H:%M:%SZ) $*" >>"$EVENTS"
    if [ "$(wc -c <"$EVENTS")" -gt 65536 ]; then
        tail -c 32768 "$EVENTS" >"$EVENTS.new" && mv "$EVENTS.new" "$EVENTS"
    fi
}

keep_early_events() {
    [ ! -e $EVENTS_NOW ] || while read -r text; do keep_event "$text"; done <$EVENTS_NOW
}

# word NAME: the value of NAME=VALUE on the kernel's command line; fails if it is not there.
word() {
    for word in $(cat /proc/cmdline); do
        case $word in
        "$1="*) echo "${word#*=}" && return ;;
        esac
    done
    return 1
}

# The card that this system runs from, and its partitions, as the first stage of the start found them.
CARD=$(cat /run/cloud-stick/card 2>/dev/null)
CARD_CONFIGURATION=${CARD}p1
CARD_DATA=${CARD}p4
export CARD_CONFIGURATION CARD_DATA
