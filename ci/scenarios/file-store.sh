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
give_tree
tv_format "$disk" FILMS
tv_copy_tree "$disk"
tv_expect_tree "$disk"
tv eject "$disk"
expect_equal "no disturbance in the kernel's log" "" "$(tv_disturbances)"
expect "the daemon ends well" stick_stop

step "the image itself"
image=$(stick sh -c 'ls /data/disks/films*')
vm_get "$image" "$WORK/films.img"
expect_tree_in "$WORK/films.img"
