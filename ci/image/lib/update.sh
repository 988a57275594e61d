# shellcheck shell=bash
# The words of tests of updates: bundles, good and bad ones, and the page's way to install them.

# update_board: a card with a stick (an image on the card) and a page at $PAGE_PORT without TLS, claimed by the phone.
update_board() {
    card_new "$BOARD"
    card_options "$FOR_TESTS"
    card_claimable
    {
        PAGE_PORT=80 toml_page
        toml_files local
        toml_luns local | sed 's/^\[gadget\]$/&\nudc = "dummy_udc.0"/'
    } >"$WORK/gadget-manager.toml"
    card_put "$WORK/gadget-manager.toml" gadget-manager.toml
}

# slot_new FILE VERSION: a slot like the one of the images, which calls itself this version.
slot_new() {
    cp --sparse=always "$IMAGES/slot.fat" "$1"
    truncate -s $((SLOT_SIZE * 512)) "$1"
    printf 'version=%s\nchannel=development\n' "$2" >"$WORK/release"
    MTOOLS_SKIP_CHECK=1 mcopy -o -i "$1" "$WORK/release" ::release
}

# bundle_new FILE SLOT WORDS...: a bundle of it; WORDS are for scripts/build-update.
bundle_new() { "$REPOSITORY/scripts/build-update" --slot "$2" --out "$1" "${@:3}"; }

# phone_sends FILE [QUERY]: installs a bundle as the page does; prints the task's number.
phone_sends() {
    curl -sS --fail-with-body --max-time "$BOARD_PATIENCE" -X POST -b "$WORK/cookies" -H "x-csrf-token: $PHONE_CSRF" \
        -H 'content-type: application/octet-stream' --data-binary "@$1" "http://127.0.0.1:$PAGE_PORT/api/v1/update/install${2:-}" | field task
}

# phone_installs FILE [QUERY]: until it is ready.
phone_installs() {
    local task
    task=$(phone_sends "$@")
    wait_until "$BOARD_PATIENCE" 'the update to be installed' phone_task_ended "$task"
}

# phone_sends_until FILE BYTES: sends a bundle, and the plug is pulled once so many bytes of it have been taken.
phone_sends_until() {
    local sender
    (phone_sends "$1" >"$WORK/task" 2>&1 || true) &
    sender=$!
    wait_until "$BOARD_PATIENCE" "$2 bytes of an update to be taken" phone_update_reached "$2"
    board_kill
    wait "$sender"
}
phone_update_reached() { [[ $(phone GET /tasks | field 0 progress 'done' 2>/dev/null || echo 0) -ge $1 ]]; }

# phone_update_refused FILE CODE WORDS [QUERY]: the task fails with this code, and says this.
phone_update_refused() {
    local task answer
    task=$(phone_sends "$1" "${4:-}")
    wait_until "$BOARD_PATIENCE" 'the update to be refused' phone_task_failed "$task"
    answer=$(phone GET "/tasks/$task")
    expect_equal "the update is refused with $2" "$2" "$(field problem code <<<"$answer")"
    expect_match 'it says why' "$(field problem detail <<<"$answer")" "$3"
}
phone_task_failed() { [[ $(phone GET "/tasks/$1" | field state) = failed ]]; }

# updates NAME...: a field of what the page shows of updates.
updates() { phone GET /device | field updates "$@"; }
# update_is PHASE
update_is() { [[ $(updates last phase 2>/dev/null) = "$1" ]]; }

# board_ends [SECONDS]: until the board restarts by itself. In QEMU it does not get further than saying so (these boards restart by
# their watchdog), and is switched off then.
board_ends() {
    wait_until "${1:-$BOARD_PATIENCE}" 'the board to restart' console_has 'Requesting system reboot|Rebooting in [0-9]+ seconds'
    board_kill
}

# board_again WHAT: as after its restart.
board_again() {
    step "$1"
    board_start
}
