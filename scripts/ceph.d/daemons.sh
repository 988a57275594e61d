# shellcheck shell=bash
# The daemons of the cluster in $FOLDER: which there are, their processes, signals. Both sides use this: the keeper, whose
# children they are, and scripts/ceph, which talks to the keeper by signals and files in $FOLDER/run:
#   keeper.pid, ready    the keeper's process, and that all was up once
#   NAME.pid             the daemon's process
#   NAME.wanted          the daemon is to run; USR1 makes the keeper look

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
    local bound=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        ((SECONDS < bound)) || die "still waiting for $what"
        sleep 0.05
    done
}

# ours PID: it is a process of this cluster. (The number may belong to somebody else by now; a child that was just forked has
# the keeper's arguments. None at all has what has ended but was not reaped yet, and for a moment what becomes another program.)
ours() {
    local arguments state
    # It may end meanwhile.
    { mapfile -d '' -t arguments <"/proc/$1/cmdline" && read -r state <"/proc/$1/stat"; } 2>/dev/null || return 1
    if [[ ${#arguments[@]} -eq 0 ]]; then
        # pid (name) state ...; the name may hold anything.
        [[ ${state##*) } != [ZX]* ]]
    else
        [[ " ${arguments[*]} " = *" $FOLDER "* || " ${arguments[*]} " = *" $FOLDER/ceph.conf "* ]]
    fi
}

keeper_runs() {
    local pid
    { read -r pid <"$FOLDER/run/keeper.pid"; } 2>/dev/null && ours "$pid"
}
keeper_gone() { ! keeper_runs; }

# daemons: their names, one a line, in the order in which they start.
daemons() { cat "$FOLDER/daemons"; }

# daemon_pid NAME: prints its process id; fails if it does not run.
daemon_pid() {
    local pid
    { read -r pid <"$FOLDER/run/$1.pid"; } 2>/dev/null && ours "$pid" && echo "$pid"
}
daemon_runs() { daemon_pid "$1" >/dev/null; }
process_gone() { ! kill -0 "$1" 2>/dev/null; }

daemon_known() {
    grep -qxF -- "$1" "$FOLDER/daemons" 2>/dev/null || die "the cluster in $FOLDER has no daemon $1" \
        "There are: $(xargs <"$FOLDER/daemons")"
}

daemon_signal() {
    local pid
    daemon_known "$2"
    pid=$(daemon_pid "$2") || die "$2 of the cluster in $FOLDER does not run"
    kill -s "$1" "$pid"
}

daemon_kill() {
    local pid
    daemon_known "$1"
    rm -f "$FOLDER/run/$1.wanted"
    pid=$(daemon_pid "$1") || return 0
    kill -KILL "$pid"
    wait_for 30 "$1 to be gone" process_gone "$pid"
}

daemon_revive() {
    daemon_known "$1"
    keeper_runs || die "the cluster in $FOLDER does not run" "Start it with: scripts/ceph start $FOLDER"
    : >"$FOLDER/run/$1.wanted"
    daemon_runs "$1" || kill -USR1 "$(<"$FOLDER/run/keeper.pid")"
    wait_for "$START_LIMIT" "$1 to serve" daemon_serves "$1"
}

# daemon_serves NAME: it takes part in the cluster, by its own word.
daemon_serves() {
    daemon_runs "$1" || return 1
    case $1 in
    mon.*) [[ $(daemon_ask "$1" mon_status) =~ \"state\":\ *\"(leader|peon)\" ]] ;;
    osd.*) [[ $(daemon_ask "$1" status) =~ \"state\":\ *\"active\" ]] ;;
    client.rgw) (: <"/dev/tcp/127.0.0.1/$(sed -n 's/^s3_port=//p' "$FOLDER/cluster")") 2>/dev/null ;;
    esac
}

# daemon_ask NAME COMMAND: by its admin socket. One that does not answer is as good as one that says no.
daemon_ask() { cluster_tool timeout 20 ceph --admin-daemon "$FOLDER/run/$1.asok" "$2" 2>/dev/null; }

# cluster_tool COMMAND...: one of Ceph's tools, as the administrator. (The keeper has a simpler one.)
cluster_tool() { CEPH_CONF=$FOLDER/ceph.conf "$SCRIPTS/ceph.d/enter" "$(root_folder)" "$@"; }
