# shellcheck shell=sh
# What a factory reset leaves to the next start, when nothing is in use: that what was removed cannot be read any more. Everything is
# overwritten in its place. (A card keeps copies that only its own controller knows of: docs/security.md.)

# offer_reset: what gadget-manager does it with (crates/gadget-manager/src/control/configuration/wipe.rs).
offer_reset() {
    settings_have_place || return 0
    mkdir -p /run/cloud-stick/system
    for program in wipe restart; do ln -sfn "/usr/lib/cloud-stick/$program" "/run/cloud-stick/system/$program"; done
}

overwrite_settings() {
    dd if=/dev/zero of="$CARD" bs=1M seek=$((SETTINGS_START / 2048)) count=$((SETTINGS_SIZE / 2048)) conv=notrunc,fsync 2>/dev/null
}

# overwrite FILE: the sectors that it has.
overwrite() {
    dd if=/dev/zero of="$1" bs=512 count=$((($(stat -c %s "$1") + 511) / 512)) conv=notrunc,fsync 2>/dev/null
}

# remove_surely FILE...: those that are there, in this order, as far as it works.
remove_surely() {
    for file in "$@"; do
        [ ! -e "$file" ] || { overwrite "$file" && rm -f "$file"; } || return
    done
}

# wipe_configuration: on the card's first partition only what the board starts with is left. Whoever put secrets there may have done it with
# an editor, or a PC that keeps what was thrown away: so all other files go, and everything that is free is overwritten.
wipe_configuration() {
    note 'factory reset: overwriting what was there'
    open_card || {
        event "the card's first partition cannot be used: what lies there was not overwritten"
        return 0
    }
    failed=
    rm -f "$CARD_FOLDER/zeroes" "$CARD_FOLDER/zeroes.end"
    others >/run/cloud-stick/others
    while IFS= read -r file; do
        # Gone from who looks is better than there, whatever can be done about what is below.
        remove_surely "$file" || { failed=yes && rm -f "$file"; }
    done </run/cloud-stick/others
    find "$CARD_FOLDER" -depth -mindepth 1 -type d -exec rmdir {} \;
    # All of it, whatever went wrong before: a file that is gone without having been overwritten lies in what is free.
    overwrite_free || failed=yes
    overwrite_ends || failed=yes
    if [ -n "$failed$(others)" ]; then
        event "parts of the card's first partition could not be overwritten"
    fi
    close_card
}

# others: files that the board does not start with. FAT does not tell capital letters from small ones.
others() { find "$CARD_FOLDER" -type f | grep -viE "^$CARD_FOLDER/(uboot\.env|options\.txt|readme\.txt)\$"; }

# overwrite_free: with files that take all of it. The second gets what is less than a page of the kernel's (4 KiB), which is given to a file as
# a whole or not at all; a sector is a cluster here.
overwrite_free() {
    dd if=/dev/zero of="$CARD_FOLDER/zeroes" bs=1M 2>/dev/null
    dd if=/dev/zero of="$CARD_FOLDER/zeroes.end" bs=512 2>/dev/null
    # Not by dd, which ends where there is no room any more.
    sync "$CARD_FOLDER/zeroes" "$CARD_FOLDER/zeroes.end"
    written=$?
    left=$(df -k "$CARD_FOLDER" | awk 'NR == 2 { print $4 }')
    rm -f "$CARD_FOLDER/zeroes" "$CARD_FOLDER/zeroes.end"
    sync
    [ "$written" = 0 ] && [ "$left" = 0 ]
}

# overwrite_ends: what is left may end, in its last sector, with what was there before; the kernel writes zeroes behind a file. (uboot.env
# has whole sectors, and is never written.)
overwrite_ends() {
    for file in "$CARD_FOLDER"/*; do
        case ${file##*/} in
        [Uu]*) ;;
        *) dd if="$file" of="$file" bs=64k conv=notrunc,fsync 2>/dev/null || return ;;
        esac
    done
}
