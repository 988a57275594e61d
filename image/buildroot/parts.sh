# shellcheck shell=bash
# What Buildroot built, in the shape in which the other parts expect it: that of unpacked Debian packages (debian/packages.sh).

# parts_lay FOLDER: of BINARIES_DIR, TARGET_DIR and BUILD_DIR, which Buildroot sets, for the board that is loaded.
parts_lay() {
    local version tree
    version=$(parts_kernel_version)
    rm -rf "$1"
    mkdir -p "$1/root/usr/bin" "$1/kernel/boot" "$1/kernel/usr/lib/modules" "$1/kernel/usr/lib/linux-image-$version" \
        "$1/uboot/usr/lib/u-boot/$BOARD_UBOOT"
    ln -s usr/lib "$1/kernel/lib"
    cp "$TARGET_DIR/usr/bin/busybox" "$1/root/usr/bin/busybox"
    cp "$BINARIES_DIR/zImage" "$1/kernel/boot/vmlinuz-$version"
    cp "$BUILD_DIR/linux-$version/.config" "$1/kernel/boot/config-$version"
    cp -r "$TARGET_DIR/usr/lib/modules/$version" "$1/kernel/usr/lib/modules/"
    for tree in "$BINARIES_DIR"/*.dtb; do cp "$tree" "$1/kernel/usr/lib/linux-image-$version/"; done
    cp "$BINARIES_DIR/u-boot-sunxi-with-spl.bin" "$1/uboot/usr/lib/u-boot/$BOARD_UBOOT/"
}

parts_kernel_version() {
    local version
    version=$(cd "$TARGET_DIR/usr/lib/modules" && echo *)
    [[ -e $BUILD_DIR/linux-$version/.config ]] ||
        die "modules of '$version' are in $TARGET_DIR, and that kernel was not built in $BUILD_DIR" 'Remove the output folder, then build again.'
    echo "$version"
}
