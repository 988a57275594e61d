# shellcheck shell=bash
# A TV formats a stick that is a Ceph image (through librbd), fills it and ejects it; then the image grows while it is
# plugged in. Ceph's own tool finds a clean FAT file system with the very same files.

ceph_start
vm_start
forward_ceph
stick_config <<TOML
[[store]]
name = "ceph"
type = "rbd"
pool = "$(ceph_fact pool)"
monitors = ["v2:$(ceph_fact monitors)"]
user = "$(ceph_fact user)"

[[disk]]
name = "films"
store = "ceph"
image = "films"

[gadget]
product = "Cloud Stick"

[[gadget.lun]]
disk = "films"
removable = true
TOML
printf '[store.ceph]\nkey = "%s"\n' "$(ceph_key "$(ceph_fact user)")" | stick_secrets

step "the stick is plugged in"
ceph_run rbd create --size 256M films
stick_start
disk=$(tv_wait_disk 0)
expect_equal "the TV sees the image's size" $((256 << 20)) "$(tv blockdev --getsize64 "$disk")"

step "the TV formats it and copies a film and a tree of small files"
make_tree "$WORK/tree"
put_tree "$WORK/tree" /tmp/tree
tv mkfs.vfat -F 32 -n FILMS "$disk"
tv_mount "$disk"
tv cp -r /tmp/tree/. /mnt/tv/
tv_unmount

step "it reads back what it wrote"
tv_forget
tv_mount "$disk"
expect "every file as it was" tv sh -c 'cd /mnt/tv && sha256sum --quiet -c /tmp/tree.sha256'
tv_unmount

step "the image grows while it is plugged in"
ceph_run rbd resize --no-progress --size 320M films
grown() { [[ $(tv blockdev --getsize64 "$(tv_wait_disk 0)") == $((320 << 20)) ]]; }
wait_until 120 "the TV to see the new size" grown
disk=$(tv_wait_disk 0)
tv_forget
expect "the file system is as it was" tv fsck.vfat -n "$disk"

step "it ejects the stick"
tv eject "$disk"
tv_wait_no_medium 0
expect_equal "no disturbance in the kernel's log" "" "$(tv_disturbances)"
expect "the daemon ends well" stick_stop

step "the image itself"
ceph_run rbd export --no-progress films "$WORK/films.img"
expect_equal "nobody has it any more" "" "$(ceph_run rbd lock ls films)"
expect "its object map is right" ceph_run rbd object-map check --no-progress films
expect "a clean file system" fat_check "$WORK/films.img"
fat_extract "$WORK/films.img" "$WORK/out"
expect "every file as it was" check_tree "$WORK/out" "$WORK/tree.sha256"
