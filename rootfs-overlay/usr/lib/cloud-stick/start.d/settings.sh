# shellcheck shell=sh
# The settings: configuration, identity, owner, what the device has come to know, and the end of the log. All that may hold a secret is
# there, in an area of the card outside of its partitions (layout.sh), an ext4 of its own: so a factory reset can overwrite
# all of it (wipe.sh), disks that fill the data partition leave it its room, and a data partition that breaks takes nothing along.
#
# One sector tells how the area stands: zeroes, as on a card that was just written: to be made; `wipe`: to be made, and everything else that
# a factory reset removes is to be overwritten; `made`. It is written when all that it tells of is on the card, so that what a power cut
# interrupts is begun again.
# shellcheck source=../../../../../image/layout.sh
. /usr/lib/cloud-stick/layout.sh

SETTINGS=/settings

mount_settings() {
    if ! settings_have_place; then
        # A card of the time before there was this area: an update did not move its partitions.
        mount --bind /data $SETTINGS
    elif ! attach_settings; then
        without_settings
    else
        case $(settings_state) in
        made....) repair_settings || replace_settings || without_settings ;;
        ........) make_settings || without_settings ;;
        wipe....) { wipe_configuration && make_settings; } || without_settings ;;
        # Nobody wrote this: see what is there.
        *)
            if repair_settings; then
                mark_settings made || event 'the card cannot be written where it tells how the settings stand: is it worn out?'
            else
                replace_settings || without_settings
            fi
            ;;
        esac
    fi
    mkdir -p $SETTINGS/lib/cloud-stick $SETTINGS/log
    keep_early_events
}

# The data partition begins behind the area. (Four bytes of its entry in the partition table, little endian.)
settings_have_place() {
    start=$(dd if="$CARD" bs=1 skip=502 count=4 2>/dev/null | od -An -tu4 | tr -d ' ')
    [ "${start:-0}" -ge $((SETTINGS_START + SETTINGS_SIZE)) ]
}

attach_settings() {
    SETTINGS_DEVICE=$(losetup -f) && losetup -o $((SETTINGS_START * 512)) "$SETTINGS_DEVICE" "$CARD"
}

# settings_state: eight letters, dots for zeroes.
settings_state() { dd if="$CARD" bs=512 skip=$SETTINGS_STATE count=1 2>/dev/null | tr '\0' . | head -c 8; }

# mark_settings WORD: it alone, at once; what it tells of has to be on the card before.
mark_settings() {
    { printf %s "$1" && head -c 512 /dev/zero; } |
        dd of="$CARD" bs=512 count=1 seek=$SETTINGS_STATE iflag=fullblock conv=notrunc,fsync 2>/dev/null
}

# make_settings: over zeroes, so that nothing is left of what was there: the settings before a reset, or those of a card that was
# written anew.
make_settings() {
    note 'making the settings'
    # The shell has a smaller mke2fs of its own, which it prefers. Tables of inodes are left to the kernel, which clears them later.
    overwrite_settings &&
        /usr/sbin/mke2fs -q -F -t ext4 -b 4096 -m 0 -J size=4 -L settings -E nodiscard,lazy_itable_init=1 \
            "$SETTINGS_DEVICE" $((SETTINGS_SIZE / 8)) &&
        attach_ext4 "$SETTINGS_DEVICE" $SETTINGS && sync && mark_settings made && note 'the settings are made'
}

repair_settings() { repair_ext4 "$SETTINGS_DEVICE" $SETTINGS 'the settings were'; }

replace_settings() {
    event 'the settings were beyond repair and were made anew: configuration and owner are lost'
    mark_settings '' && make_settings
}

# The stick works, and forgets everything.
without_settings() {
    event 'the settings cannot be kept: is the card write-protected or worn out?'
    mount -t tmpfs -o mode=755,nosuid,nodev,size=16m tmpfs $SETTINGS
}
