# shellcheck shell=sh
# What gadget-manager has to know of the card for updates (crates/update/src/system.rs). A system that was not started from a slot
# gets no such folder, and its page shows nothing of updates.

tell_of_slots() {
    slot=$(word cloud_stick.slot) || return 0
    here=/run/cloud-stick/update
    mkdir -p "$here"
    ln -sfn "$CARD" "$here/card"
    ln -sfn "${CARD}p2" "$here/slot-a"
    ln -sfn "${CARD}p3" "$here/slot-b"
    ln -sfn /run/slot/release "$here/release"
    ln -sfn /usr/lib/cloud-stick/update/keys "$here/keys"
    ln -sfn /var/lib/cloud-stick "$here/kept"
    ln -sfn /usr/lib/cloud-stick/restart "$here/restart"
    word cloud_stick.board >"$here/board"
    # Last: with it, the folder counts.
    echo "$slot" >"$here/running"
}
