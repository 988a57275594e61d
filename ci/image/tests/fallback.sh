# shellcheck shell=bash
# Updates whose systems are bad: a kernel that panics, and one that starts but whose daemon never answers. The board goes back by
# itself, and the page says so.
# shellcheck source=../lib/update.sh
. "$REPOSITORY/ci/image/lib/update.sh"

# panics SLOT: its kernel does, once it has the driver by which it restarts.
panics() {
    MTOOLS_SKIP_CHECK=1 mcopy -n -o -i "$1" ::initramfs "$WORK/initramfs"
    mkdir "$WORK/first"
    (
        cd "$WORK/first" || exit
        zstd -qdc "$WORK/initramfs" | cpio --quiet -idm
        sed -i 's|^wait_for_card .*|echo c >/proc/sysrq-trigger|' init
        grep -q sysrq-trigger init
        find . | cpio --quiet -o -H newc -R 0:0 | zstd -q -3 >"$WORK/initramfs"
    )
    rm -rf "$WORK/first"
    MTOOLS_SKIP_CHECK=1 mcopy -o -i "$1" "$WORK/initramfs" ::initramfs
}

# is_mute SLOT: everything of it works, but the daemon sleeps.
is_mute() {
    slot_root_in "$1" "$WORK/root"
    printf '#!/bin/sh\nexec sleep 1000000\n' >"$WORK/root/usr/lib/cloud-stick/services/gadget-manager"
    slot_root_out "$1" "$WORK/root" 3
}

update_board
board_start
board_up
page_open
phone_claims '"code": "ABCD-EFGH"'
version=$(updates version)

step 'one whose kernel panics'
slot_new "$WORK/slot" 9.3.0
panics "$WORK/slot"
bundle_new "$WORK/bad.swu" "$WORK/slot"
phone_installs "$WORK/bad.swu"
wait_until 30 'the page to say so' update_is ready
phone POST /update/restart
board_ends
for try in 1 2 3; do
    board_again "try $try"
    console_wait 'a panic' 'Kernel panic'
    board_ends
done
board_again 'the start after the last try'
board_up
page_up
wait_until "$BOARD_PATIENCE" 'the page to say that it did not work' update_is fell_back
expect_equal 'the old system runs' "$version" "$(updates version)"
expect_equal 'from its slot' a "$(updates slot)"
console_wait 'the event to be told' 'version 9.3.0 did not work'
expect 'and kept' board_script 'until grep "version 9.3.0 did not work" /var/lib/cloud-stick/events; do sleep 1; done'

step 'one whose daemon never answers'
slot_new "$WORK/slot" 9.4.0
is_mute "$WORK/slot"
bundle_new "$WORK/bad.swu" "$WORK/slot"
phone_installs "$WORK/bad.swu"
wait_until 30 'the page to say so' update_is ready
phone POST /update/restart
board_ends
board_again 'it is tried'
board_up
board_ends $((BOARD_PATIENCE * 4))
board_again 'it has given itself up'
board_up
page_up
wait_until "$BOARD_PATIENCE" 'the page to say that it did not work' update_is fell_back
expect_equal 'the old system runs' "$version" "$(updates version)"
expect_equal 'with the version' 9.4.0 "$(updates last version)"
expect_match 'and the reason' "$(updates last reason)" 'nobody answers'
