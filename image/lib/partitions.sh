# shellcheck shell=bash
# The card's image out of its parts, as image/layout.sh says. No root rights: files are written at offsets.

# shellcheck source=../layout.sh
. "$IMAGE/layout.sh"
# shellcheck source=verity.sh
. "$IMAGE/lib/verity.sh"

# slot_make FILE ROOT-FILE-SYSTEM INITRAMFS: what is in a slot, the same for all boards; `release` says which version it is. FAT, because U-Boot reads it, and
# because it is made alike on every machine; nobody ever writes to it where it lies.
slot_make() {
    local board folder=$WORK/slot
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$PACKAGES"/kernel/boot/vmlinuz-* "$folder/vmlinuz"
    cp "$2" "$folder/root.squashfs"
    verity_seal "$folder/root.squashfs" "$folder/root.verity"
    cp "$3" "$folder/initramfs"
    printf 'version=%s\nchannel=%s\nbuilt=%s\n' "$IMAGE_VERSION" "$UPDATE_CHANNEL" "$BUILD_TIME" >"$folder/release"
    for board in $(boards); do
        (
            board_load "$board"
            find "$PACKAGES"/kernel/usr/lib/linux-image-* -name "$BOARD_DTB" -exec cp {} "$folder/" \;
            [[ -e $folder/$BOARD_DTB ]] || die "the kernel has no device tree $BOARD_DTB, which board/$board/board.conf names"
        )
    done
    fat_make "$1" $SLOT_SIZE 5107a000 SLOT "$folder"
}

# fat_make FILE SECTORS SERIAL LABEL FOLDER: a FAT file system with the files of a folder, always the same bytes.
fat_make() {
    local file
    same_always "$5"
    rm -f "$1"
    truncate -s $(($2 * 512)) "$1"
    PATH=$PATH:/usr/sbin mkfs.vfat --invariant -F 32 -s 1 -i "$3" -n "$4" "$1" >/dev/null
    for file in "$5"/*; do MTOOLS_SKIP_CHECK=1 TZ=UTC mcopy -m -i "$1" "$file" ::; done
}

# image_make FILE SLOT: the card of the board that is loaded, up to the last byte of slot A that is used. What lies behind on
# a card is of no importance.
image_make() {
    card_fat_make "$WORK/card.fat"
    rm -f "$1"
    truncate -s $(((DATA_START + DATA_SIZE) * 512)) "$1"
    partition_table | PATH=$PATH:/usr/sbin sfdisk --quiet --no-reread --no-tell-kernel "$1"
    place "$(uboot_file)" "$1" $((UBOOT_OFFSET / 512))
    place "$WORK/card.fat" "$1" $CONFIGURATION_START
    place "$2" "$1" $SLOT_A_START
    truncate -s $((SLOT_A_START * 512 + $(used_bytes "$2"))) "$1"
}

# card_fat_make FILE: the FAT partition of the board that is loaded.
card_fat_make() {
    local folder=$WORK/card
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$IMAGE/card/README.txt" "$folder/README.txt"
    uboot_environment "$folder/uboot.env"
    fat_make "$1" $CONFIGURATION_SIZE ca4dc0de $CARD_LABEL "$folder"
}

partition_table() {
    cat <<TABLE
label: dos
label-id: 0x$CARD_SIGNATURE
unit: sectors
start=$CONFIGURATION_START, size=$CONFIGURATION_SIZE, type=$TYPE_CONFIGURATION, bootable
start=$SLOT_A_START, size=$SLOT_SIZE, type=$TYPE_SLOT
start=$SLOT_B_START, size=$SLOT_SIZE, type=$TYPE_SLOT
start=$DATA_START, size=$DATA_SIZE, type=$TYPE_DATA_NEW
TABLE
}

# slot_keep FILE SLOT: a slot for scripts/build-update, up to its last byte that is used.
slot_keep() {
    cp --sparse=always "$2" "$1"
    truncate -s "$(used_bytes "$2")" "$1"
}

# place FILE IMAGE SECTOR
place() { dd if="$1" of="$2" bs=512 seek="$3" conv=notrunc,sparse status=none; }

# used_bytes FILE: up to its last byte that is not zero, less whole MiB at its end.
used_bytes() {
    python3 - "$1" <<'PYTHON'
import os, sys
step = 1 << 20
with open(sys.argv[1], "rb") as file:
    end = os.path.getsize(file.name)
    while end > 0:
        start = max(end - step, 0)
        file.seek(start)
        if any(file.read(end - start)):
            break
        end = start
print(end)
PYTHON
}
