# shellcheck shell=bash
# The initramfs: busybox, the modules that lead to the root file system, and image/initramfs/init.

# initramfs_make FILE VERITY-OPEN: always the same bytes. VERITY-OPEN is the program of crates/verity.
initramfs_make() {
    local tree=$WORK/initramfs module
    rm -rf "$tree"
    mkdir -p "$tree"/{bin,dev,proc,sys,run,system,modules}
    cp "$PACKAGES/root/usr/bin/busybox" "$tree/bin/busybox"
    install -m 755 "$IMAGE/initramfs/init" "$tree/init"
    install -m 755 "$2" "$tree/bin/verity-open"
    # Those of Buildroot are not compressed: -f copies them.
    kernel_modules "$IMAGE/initramfs/modules" | while read -r module; do
        xz -dcf "$PACKAGES/kernel/usr/lib/modules/$(kernel_version "$PACKAGES/kernel")/$module" >"$tree/modules/$(basename "$module" .xz)"
        echo "/modules/$(basename "$module" .xz)"
    done >"$tree/modules.order"
    same_always "$tree"
    (cd "$tree" && find . -print0 | LC_ALL=C sort -z | cpio --null -o -H newc --reproducible -R 0:0 2>/dev/null) |
        zstd -q -19 -T1 >"$1"
}
