# shellcheck shell=sh
# The data partition: images in files. ext4 with a journal.
#
# The type of its entry in the partition table says whether it was made: 0xda is "to be made" (a new card; what lies there is of
# the card's life before), 0x83 is Linux. One byte, so that a power cut leaves the one or the other: what was begun is begun
# again, and an unreadable file system of a card that was in use is told from one that was never finished.

DATA_TYPE_OFFSET=498 # the fourth entry's type: 446 + 3 * 16 + 4

mount_data() {
    case $(data_type) in
    da) make_data || without_data ;;
    *) repair_data && grow_data || replace_data || without_data ;;
    esac
    mkdir -p /data/disks
}

data_type() { dd if="$CARD" bs=1 skip=$DATA_TYPE_OFFSET count=1 2>/dev/null | od -An -tx1 | tr -d ' '; }

# mark_data OCTAL: the type. Everything before it is on the card first.
mark_data() {
    sync
    # shellcheck disable=SC2059 # an octal escape
    printf "\\$1" | dd of="$CARD" bs=1 seek=$DATA_TYPE_OFFSET conv=notrunc,fsync 2>/dev/null
}

make_data() {
    note "making the data partition"
    # With its folder: the shell has a smaller mke2fs of its own, which it prefers.
    /usr/sbin/mke2fs -q -F -t ext4 -b 4096 -m 0 -L cloud-stick -E nodiscard "$CARD_DATA" &&
        attach_ext4 "$CARD_DATA" /data && mark_data 203 && note "the data partition is made: $(data_size) MiB"
}

data_size() { df -m /data | awk 'NR == 2 { print $2 }'; }

repair_data() { repair_ext4 "$CARD_DATA" /data 'the data partition was'; }

# grow_data: a card's content that was copied to a larger one. The initramfs has enlarged the partition; while mounted, the
# kernel enlarges the file system in steps that survive a power cut.
grow_data() {
    resize2fs "$CARD_DATA" >/run/log/resize2fs 2>&1 || note "the data partition could not be enlarged: $(tail -n 1 /run/log/resize2fs)"
}

replace_data() {
    event "the data partition was beyond repair and was made anew: $(with_settings) on the card are lost"
    mark_data 332
    make_data
}

# What is there: on a card of the time before the settings had a place of their own, they as well.
with_settings() { if settings_have_place; then echo images; else echo 'images, configuration and owner'; fi; }

# The stick works, without what is on the card.
without_data() {
    event "the data partition cannot be used: $(with_settings) on the card are not there. Is the card write-protected or worn out?"
    mount -t tmpfs -o mode=755,nosuid,nodev,size=32m tmpfs /data
}
