# shellcheck shell=bash
# U-Boot: Debian's, with an environment of ours in a file of the FAT partition.

# uboot_file: U-Boot with its SPL, for the board that is loaded.
uboot_file() {
    local file=$PACKAGES/uboot/usr/lib/u-boot/$BOARD_UBOOT/u-boot-sunxi-with-spl.bin
    [[ -e $file ]] || die "Debian has no U-Boot for $BOARD_UBOOT" "See BOARD_UBOOT in board/$BOARD/board.conf."
    echo "$file"
}

# uboot_environment FILE: 64 KiB, as Debian's U-Boots for sunxi expect it (CONFIG_ENV_SIZE).
uboot_environment() {
    sed -e 's/#.*//' -e '/^ *$/d' \
        -e "s|@BOARD@|$BOARD|; s|@DTB@|$BOARD_DTB|; s|@CONSOLE@|$BOARD_CONSOLE|; s|@SIGNATURE@|$CARD_SIGNATURE|" \
        -e "s|@STATE_1@|$(printf %x "$BOOT_STATE_1")|g; s|@STATE_2@|$(printf %x "$BOOT_STATE_2")|g" \
        "$IMAGE/uboot-environment" >"$WORK/uboot.env.txt"
    mkenvimage -s 0x10000 -o "$1" "$WORK/uboot.env.txt"
}
