# shellcheck shell=bash
# A TV formats a stick that is a page blob, fills it and ejects it; afterwards somebody else's client finds in the blob
# a clean FAT file system with the very same files.

azurite_start
vm_start
stick_with_blob films

step "the disk is created and the stick plugged in"
blob_create films 160M
stick_start
disk=$(tv_wait_disk 0)
expect_match "lsusb shows the product" "$(tv lsusb -v 2>/dev/null)" 'Cloud Stick'
expect_equal "the TV sees the blob's size" $((160 << 20)) "$(tv blockdev --getsize64 "$disk")"

step "the TV formats it and copies a film and a tree of small files"
make_tree "$WORK/tree"
put_tree "$WORK/tree" /tmp/tree
tv_format "$disk" FILMS
tv_mount "$disk"
tv cp -r /tmp/tree/. /mnt/tv/
tv_unmount

step "it reads back what it wrote"
tv_forget
tv_mount "$disk"
expect "every file as it was" tv sh -c 'cd /mnt/tv && sha256sum --quiet -c /tmp/tree.sha256'
tv_unmount

step "it ejects the stick"
tv eject "$disk"
tv_wait_no_medium 0
expect_equal "no disturbance in the kernel's log" "" "$(tv_disturbances)"
expect "the daemon ends well" stick_stop

step "the blob itself"
blob_download films "$WORK/films.img"
expect "a clean file system" fat_check "$WORK/films.img"
fat_extract "$WORK/films.img" "$WORK/out"
expect "every file as it was" check_tree "$WORK/out" "$WORK/tree.sha256"
