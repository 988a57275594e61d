# shellcheck shell=bash
# Where a test of the image plays: loads the words, runs the test, cleans up and keeps the logs however it ends.
set -Eeuo pipefail
# shellcheck source=../../../scripts/virtual-tv/lib/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../../scripts/virtual-tv/lib/common.sh"
# shellcheck source=words.sh
. "$REPOSITORY/ci/image/lib/words.sh"

IMAGES=${IMAGES:-$TARGET/image}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/image-test.XXXXXX")
VM=$WORK/board
mkdir -p "$VM"
# Commands that a test wants to be run however it ends.
AT_END=()
trap 'say "error: failed: $BASH_COMMAND" && scenario_line' ERR
trap leave EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

leave() {
    local code=$?
    trap - ERR EXIT
    set +e
    # What the board itself has to say, if it still can. What it may still be busy with is interrupted.
    [[ $code -eq 0 ]] || ! console_has 'started after' ||
        (board_send $'\003' && BOARD_PATIENCE=60 board_script 'logread | grep -v kernel: | tail -n 60; dmesg | tail -n 30') >"$IMAGE_TEST_LOGS/board.log" 2>&1
    board_kill
    servers_stop
    for word in "${AT_END[@]}"; do "$word"; done
    for log in consoles.log board/timeline board/qemu.log azurite.log; do cp "$WORK/$log" "$IMAGE_TEST_LOGS/" 2>/dev/null; done
    rm -rf "$WORK"
    exit "$code"
}

# shellcheck disable=SC1090 # the test that was asked for
. "$VIRTUAL_TV_SCENARIO"
