# shellcheck shell=bash
# A TV formats a stick that is a Ceph image (through librbd), fills it and ejects it; then the image grows while it is
# plugged in. Ceph's own tool finds a clean FAT file system with the very same files.

ceph_start
vm_start
forward_ceph
stick_with_rbd '' films

step "the stick is plugged in"
ceph_run rbd create --size 256M films
stick_start
disk=$(tv_wait_disk 0)
expect_equal "the TV sees the image's size" $((256 << 20)) "$(tv blockdev --getsize64 "$disk")"

step "the TV formats it and copies a film and a tree of small files"
give_tree
tv mkfs.vfat -F 32 -n FILMS "$disk"
tv_copy_tree "$disk"

step "it reads back what it wrote"
tv_expect_tree "$disk"

step "the image grows while it is plugged in"
ceph_run rbd resize --no-progress --size 320M films
grown() { [[ $(tv blockdev --getsize64 "$(tv_wait_disk 0)") == $((320 << 20)) ]]; }
wait_until 120 "the TV to see the new size" grown
disk=$(tv_wait_disk 0)
tv_forget
expect "the file system is as it was" tv fsck.vfat -n "$disk"

step "it ejects the stick"
tv_eject_at_last "$disk"

step "the image itself"
ceph_run rbd export --no-progress films "$WORK/films.img"
expect_equal "nobody has it any more" "" "$(ceph_run rbd lock ls films)"
expect "its object map is right" ceph_run rbd object-map check --no-progress films
expect_tree_in "$WORK/films.img"
