# shellcheck shell=bash
# What may be written to: a removable disk that nobody uses, as the kernel tells it.

# Tests look at another tree.
SYSFS=${SYSFS:-/sys}
MOUNTS=${MOUNTS:-/proc/self/mountinfo}
SWAPS=${SWAPS:-/proc/swaps}

# target_refuse TARGET: dies unless it may be written to.
target_refuse() {
    local name
    if [[ -f $1 ]]; then return; fi
    [[ -b $1 || $SYSFS != /sys ]] || die "$1 is no card" 'Name the whole device, such as /dev/sdb or /dev/mmcblk0; lsblk lists them.'
    name=$(basename "$(readlink -f "$1")")
    [[ -d $SYSFS/block/$name ]] || die "$1 is a part of a disk" 'Name the whole device, such as /dev/sdb.'
    target_is_removable "$name" || die "$1 is not removable: it may be a disk of this machine" 'Cards in readers are removable, and mmcblk devices of type SD.'
    target_is_free "$name"
    [[ $(<"$SYSFS/block/$name/ro") = 0 ]] || die "$1 is write-protected" 'There is a slider on the side of SD cards.'
    (($(<"$SYSFS/block/$name/size") >= DATA_START + 131072)) || die "$1 is too small" 'A card needs 512 MB.'
}

# A reader on USB says that its medium is; one on the board's own SD bus says what it is.
target_is_removable() {
    [[ $(<"$SYSFS/block/$1/removable") = 1 ]] || [[ $1 = mmcblk* && $(cat "$SYSFS/block/$1/device/type" 2>/dev/null) = SD ]]
}

# target_is_free NAME: neither it nor a part of it is mounted, swapped to, or under another device (RAID, LVM, encryption).
target_is_free() {
    local part number folder holder
    for part in "$SYSFS/block/$1" "$SYSFS/block/$1/$1"*; do
        [[ -e $part/dev ]] || continue
        number=$(<"$part/dev")
        folder=$(awk -v number="$number" '$3 == number { print $5; exit }' "$MOUNTS")
        [[ -z $folder ]] || die "${part##*/} is mounted at $folder" "Unmount it first: umount $folder"
        ! grep -q "^/dev/${part##*/}[[:space:]]" "$SWAPS" || die "${part##*/} is used as swap" "swapoff /dev/${part##*/}"
        holder=$(find "$part/holders" -mindepth 1 -printf '%f\n' -quit 2>/dev/null)
        [[ -z $holder ]] || die "${part##*/} is in use by $holder" 'Close that first.'
    done
}

# target_name TARGET: for the question.
target_name() {
    local name
    [[ ! -f $1 ]] || { echo "an ordinary file" && return; }
    name=$(basename "$(readlink -f "$1")")
    echo "$(cat "$SYSFS/block/$name/device/"{vendor,model,name} 2>/dev/null | xargs), $(($(<"$SYSFS/block/$name/size") / 2097152)) GiB"
}

# target_settle TARGET: everything is on the card, and the machine knows its new table.
target_settle() {
    sync "$1"
    [[ ! -b $1 ]] || PATH=$PATH:/usr/sbin blockdev --flushbufs --rereadpt "$1" 2>/dev/null || true
}
