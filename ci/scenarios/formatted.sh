# shellcheck shell=bash
# Sticks that arrive formatted: FAT32 in a partition and exFAT without a table, as the TV's kernel takes them.

vm_start
stick mkdir -p /data
stick mount -t tmpfs -o size=400M data /data
stick mkdir -p /data/disks
stick_config <<TOML
[[store]]
name = "card"
type = "file"
folder = "/data/disks"

[[disk]]
name = "films"
store = "card"
image = "films"

[[disk]]
name = "long"
store = "card"
image = "long"

[[gadget.lun]]
disk = "films"
removable = true

[[gadget.lun]]
disk = "long"
removable = true
TOML

step "the disks are made and the stick plugged in"
gadget_manager disk create card/films --size 64GiB --filesystem fat32 --label Films
gadget_manager disk create card/long --size 128GiB --filesystem exfat --table none --label 'Long films'
stick_start
films=$(tv_wait_disk 0)1
long=$(tv_wait_disk 1)
wait_until 60 "the TV sees the partition" tv test -b "$films"
give_tree

# fill_and_check DEVICE TYPE: mounts it as it came, fills it and reads it back from the stick.
fill_and_check() {
    tv mount -t "$2" -o iocharset=utf8 "$1" /mnt/tv
    tv cp -r /tmp/tree/. /mnt/tv/
    tv_unmount
    tv_forget
    tv mount -t "$2" -o iocharset=utf8 "$1" /mnt/tv
    expect "every file as it was" tv_check_tree
    tv_unmount
}

step "FAT32: mounted without being formatted, filled and read back"
expect_match "the label" "$(tv blkid -p "$films")" 'LABEL="FILMS".*TYPE="vfat"'
fill_and_check "$films" vfat
expect "a clean file system" tv fsck.vfat -n "$films"

step "exFAT: the same"
expect_match "the label" "$(tv blkid -p "$long")" 'LABEL="Long films".*TYPE="exfat"'
fill_and_check "$long" exfat
expect "a clean file system" tv fsck.exfat -n "$long"

step "the kernel had nothing to say"
complaints=$(tv sh -c 'dmesg | grep -iE "(ex)?fat-fs" | grep -v "utf8 is not a recommended IO charset"; true')
expect_equal "no complaint of a file system" "" "$complaints"
expect_equal "no disturbance in the kernel's log" "" "$(tv_disturbances)"
expect "the daemon ends well" stick_stop
