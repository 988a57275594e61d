# shellcheck shell=bash
# Another medium while the stick stays plugged in: the TV sees a changed disk, not a new stick.

azurite_start
mkdir "$WORK/first" "$WORK/second"
cp "$FILM" "$WORK/first/film.mpg"
head -c 300000 /dev/urandom >"$WORK/second/song.ogg"
fat_image "$WORK/first.img" 48M FIRST "$WORK/first"
fat_image "$WORK/second.img" 96M SECOND "$WORK/second"
blob_upload first "$WORK/first.img"
blob_upload second "$WORK/second.img"
vm_start
azurite_secrets cloud | stick_secrets

# slot DISK-LINE: the configuration with this disk, or none, in the only slot.
slot() { { toml_blobs first second && printf '[[gadget.lun]]\n%s\nremovable = true\n' "$1"; } | stick_config; }

step "the first medium"
slot 'disk = "first"'
stick_start
disk=$(tv_wait_disk 0)
stick_number=$(tv_stick_number)
tv_mount "$disk"
expect_equal "its film" "$(sha256sum <"$FILM")" "$(tv cat /mnt/tv/film.mpg | sha256sum)"
tv_unmount

step "swapped"
slot 'disk = "second"'
stick_reload
tv_wait_size 0 $((96 * 1024 * 1024))
tv_mount "$disk"
expect_equal "the second medium's song" "$(sha256sum <"$WORK/second/song.ogg")" "$(tv cat /mnt/tv/song.ogg | sha256sum)"
tv_unmount

step "the slot emptied, and filled again"
slot ''
stick_reload
tv_wait_no_medium 0
slot 'disk = "first"'
stick_reload
tv_wait_size 0 $((48 * 1024 * 1024))
tv_mount "$disk"
expect_equal "the first medium's film" "$(sha256sum <"$FILM")" "$(tv cat /mnt/tv/film.mpg | sha256sum)"
tv_unmount

expect_equal "still the same plugged-in stick" "$stick_number" "$(tv_stick_number)"
expect_equal "no disturbance in the kernel's log" "" "$(tv_disturbances)"
expect "the daemon ends well" stick_stop
