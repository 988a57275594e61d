# shellcheck shell=bash
# Where a scenario plays: loads the words, runs the scenario file, cleans up and collects the logs however it ends.
set -Eeuo pipefail
# shellcheck source=common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=words.sh
. "$RIG/lib/words.sh"

WORK=$(mktemp -d "${TMPDIR:-/tmp}/virtual-tv.XXXXXX")
VM=$WORK/vm
mkdir -p "$VM"
trap 'stumble "$BASH_COMMAND"' ERR
trap leave EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

stumble() {
    say "error: failed: $1"
    scenario_line
}

leave() {
    local code=$?
    trap - ERR EXIT
    set +e
    collect_logs "$VIRTUAL_TV_LOGS"
    browser_stop
    servers_stop
    vm_stop
    rm -rf "$WORK"
    exit "$code"
}

# shellcheck disable=SC1090 # the scenario that was asked for
. "$VIRTUAL_TV_SCENARIO"
