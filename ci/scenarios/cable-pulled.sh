# shellcheck shell=bash
# The cable is pulled in the middle of a write and plugged in again: what was synced is intact, the file system can be
# repaired, and the stick works on.

azurite_start
vm_start
stick_with_blob films
blob_create films 160M
stick_start
disk=$(tv_wait_disk 0)
give_tree
head -c 24M /dev/urandom >"$WORK/data"
vm_put "$WORK/data" /tmp/data

step "files copied and synced, then another one on its way"
tv_format "$disk" FILMS
tv_mount "$disk"
tv cp -r /tmp/tree/. /mnt/tv/
tv sync
written=$(tv_written "$disk")
tv cp /tmp/data /mnt/tv/unfinished.bin &
copy=$!
tv sync &
sync=$!
tv_wait_written "$disk" $((written + 2))

step "the cable is pulled"
cable_out
tv_wait_gone 0
wait "$copy" || true
wait "$sync" || true
tv umount -l /mnt/tv || true

step "and plugged in again"
cable_in
disk=$(tv_wait_disk 0)
tv sh -c 'fsck.vfat -a "$1"; [ $? -le 1 ]' sh "$disk"
expect "the file system is in order" tv fsck.vfat -n "$disk"
tv_mount "$disk"
expect "what was synced is intact" tv_check_tree
tv rm -f /mnt/tv/unfinished.bin
tv dd if=/tmp/data of=/mnt/tv/again.bin bs=1M count=6 status=none
tv_unmount
tv eject "$disk"
expect "the daemon ends well" stick_stop

step "the blob itself"
blob_download films "$WORK/films.img"
expect_tree_in "$WORK/films.img"
expect "also the one copied after it" cmp "$WORK/out/again.bin" <(head -c 6M "$WORK/data")
