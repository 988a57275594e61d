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
give_tree
tv_format "$disk" FILMS
tv_copy_tree "$disk"

step "it reads back what it wrote"
tv_expect_tree "$disk"

step "it ejects the stick"
tv_eject_at_last "$disk"

step "the blob itself"
blob_download films "$WORK/films.img"
expect_tree_in "$WORK/films.img"
