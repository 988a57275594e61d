# shellcheck shell=bash
# A TV formats a stick that is a Ceph image (through the kernel's rbd client), fills it and ejects it; the image grows while
# it is plugged in. Ceph's own tool finds a clean FAT file system with the very same files.

ceph_start
ceph_run rbd create --size 128M films
vm_start
forward_ceph
stick_with_rbd 'client = "kernel"
lend_lock = true' films

step "the stick is plugged in"
stick_start
disk=$(tv_wait_disk 0)
expect_equal "the TV sees the image's size" $((128 << 20)) "$(tv blockdev --getsize64 "$disk")"
expect_match "doctor says which client it is, and why" "$(gadget_manager doctor 2>&1)" "client.*the kernel's, as the settings say"
expect_not "the key is in no attribute of the kernel" \
    stick grep -rqsF "$(ceph_key "$(ceph_fact user)")" /sys/bus/rbd/devices/0/ /proc/keys /proc/cmdline

step "the TV formats it and copies a film and a tree of small files"
give_tree
tv mkfs.vfat -F 32 -n FILMS "$disk"
tv_copy_tree "$disk"

step "it reads back what it wrote"
tv_expect_tree "$disk"

step "the image grows while it is plugged in"
ceph_run rbd resize --no-progress --size 160M films
tv_wait_size 0 $((160 << 20))
disk=$(tv_wait_disk 0)
tv_forget
expect "the file system is as it was" tv fsck.vfat -n "$disk"

step "it ejects the stick"
tv_eject_at_last "$disk"
expect_equal "nothing stays mapped" "" "$(stick ls /sys/bus/rbd/devices)"

step "the image itself"
ceph_run rbd export --no-progress films "$WORK/films.img"
expect_equal "nobody has it any more" "" "$(ceph_run rbd lock ls films)"
expect "its object map is right" ceph_run rbd object-map check --no-progress films
expect_tree_in "$WORK/films.img"
