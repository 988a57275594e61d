# shellcheck shell=sh
# What the settings and the data partition have in common: ext4 with a journal.

attach_ext4() { mount -t ext4 -o noatime,nosuid,nodev,errors=remount-ro "$1" "$2"; }

# repair_ext4 DEVICE FOLDER WHAT: mounts it, mended if need be. e2fsck's first try changes only what is safe; the second all that it can.
# Codes below 4: usable.
repair_ext4() {
    e2fsck -p "$1" >/run/log/e2fsck 2>&1
    [ $? -lt 4 ] && attach_ext4 "$1" "$2" && return
    e2fsck -f -y "$1" >>/run/log/e2fsck 2>&1
    if [ $? -lt 4 ] && attach_ext4 "$1" "$2"; then
        event "$3 damaged and could be repaired; files may be missing"
        return
    fi
    umount "$2" 2>/dev/null
    return 1
}
