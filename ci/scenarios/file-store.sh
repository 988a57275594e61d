# shellcheck shell=bash
# The same stick on an image file of the board itself: no network needed.

vm_start
stick mkdir -p /data
stick mount -t tmpfs -o size=400M data /data
stick_with_files films

step "the disk is created and the stick plugged in"
gadget_manager disk create card/films --size 160MiB
stick_start
disk=$(tv_wait_disk 0)
expect_equal "the TV sees the image's size" $((160 << 20)) "$(tv blockdev --getsize64 "$disk")"

step "the TV formats it, fills it and reads it back"
make_tree "$WORK/tree"
put_tree "$WORK/tree" /tmp/tree
tv_format "$disk" FILMS
tv_mount "$disk"
tv cp -r /tmp/tree/. /mnt/tv/
tv_unmount
tv_forget
tv_mount "$disk"
expect "every file as it was" tv sh -c 'cd /mnt/tv && sha256sum --quiet -c /tmp/tree.sha256'
tv_unmount
tv eject "$disk"
expect_equal "no disturbance in the kernel's log" "" "$(tv_disturbances)"
expect "the daemon ends well" stick_stop

step "the image itself"
image=$(stick sh -c 'ls /data/disks/films*')
vm_get "$image" "$WORK/films.img"
expect "a clean file system" fat_check "$WORK/films.img"
fat_extract "$WORK/films.img" "$WORK/out"
expect "every file as it was" check_tree "$WORK/out" "$WORK/tree.sha256"
