# shellcheck shell=bash
# One stick, two media: a disk to write on and a read-only CD-ROM, both page blobs.

azurite_start
make_tree "$WORK/tree"
xorriso -as mkisofs -quiet -J -R -V DISC -o "$WORK/disc.iso" "$WORK/tree"
blob_create films 64M
blob_upload disc "$WORK/disc.iso"
vm_start
{
    toml_blobs films disc
    cat <<'TOML'
read_only = true

[[gadget.lun]]
disk = "films"
removable = true

[[gadget.lun]]
disk = "disc"
removable = true
cdrom = true
TOML
} | stick_config
azurite_secrets cloud | stick_secrets
stick_start

step "the TV sees a disk and an optical drive"
disk=$(tv_wait_disk 0)
disc=$(tv_wait_disk 1)
expect_match "LUN 0 is a disk" "$disk" '^/dev/sd'
expect_match "LUN 1 is an optical drive" "$disc" '^/dev/sr'

step "the disc is readable, with all its files"
put_tree "$WORK/tree" /tmp/tree
tv mkdir -p /mnt/disc
tv mount -t iso9660 -o ro,iocharset=utf8 "$disc" /mnt/disc
expect "every file as it was" tv_check_tree /mnt/disc

step "the disk is writable beside it"
tv mkfs.vfat -n FILMS "$disk"
tv_mount "$disk"
tv cp -r /mnt/disc/. /mnt/tv/
tv_unmount
tv_expect_tree "$disk"

step "the disc refuses to be written"
expect_not "writing to the disc fails" tv sh -c "dd if=/dev/zero of=$disc bs=2048 count=1 oflag=direct"
tv umount /mnt/disc
tv eject "$disk"
expect "the daemon ends well" stick_stop
blob_download disc "$WORK/disc.back"
expect "the disc's blob is untouched" cmp -n "$(stat -c %s "$WORK/disc.iso")" "$WORK/disc.iso" "$WORK/disc.back"
