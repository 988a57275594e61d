# shellcheck shell=bash
# The root file system: a squashfs of the chosen programs, their libraries, the overlay, modules, and what tells boards apart.
# The same for all boards.

# shellcheck source=../update/keys.sh
. "$IMAGE/update/keys.sh"

# rootfs_make FILE PROGRAM: PROGRAM is gadget-manager.
rootfs_make() {
    local root=$WORK/root
    rm -rf "$root"
    mkdir -p "$root"
    rootfs_folders "$root"
    rootfs_programs "$root"
    install -m 755 "$2" "$root/usr/bin/gadget-manager"
    rootfs_libraries "$root"
    rootfs_rules "$root"
    kernel_install "$root"
    cp -a "$REPOSITORY/rootfs-overlay/." "$root/"
    rootfs_facts "$root" "Debian's packages"
    rootfs_busybox "$root"
    same_always "$root"
    rm -f "$1"
    # zstd: a Cortex-A7 reads it several times faster than xz, for a tenth more of size.
    env -u SOURCE_DATE_EPOCH mksquashfs "$root" "$1" -quiet -no-progress -all-root -comp zstd -Xcompression-level 19 -b 128K \
        -no-xattrs -no-exports -mkfs-time "$BUILD_TIME" -all-time "$BUILD_TIME" -processors 2 >/dev/null
}

rootfs_folders() {
    mkdir -p "$1"/{data,dev,proc,root,run,settings,sys,tmp,var} "$1/usr"/{bin,sbin,lib}
    ln -s usr/bin usr/sbin usr/lib "$1"
    rootfs_var "$1"
}

# rootfs_var ROOT: nothing there is of the root file system, which cannot be written.
rootfs_var() {
    mkdir -p "$1/var"
    ln -s ../settings/lib "$1/var/lib"
    ln -s ../run/log "$1/var/log"
    ln -s ../run "$1/var/run"
    ln -s ../tmp "$1/var/tmp"
}

rootfs_programs() {
    local file
    for file in $(sed 's/#.*//' "$IMAGE/debian/packages" | cut -s -d' ' -f2-); do
        [[ -e $PACKAGES/root/$file ]] || die "no package has the file $file" "See $IMAGE/debian/packages."
        install -D "$PACKAGES/root/$file" "$1/$file"
    done
}

# rootfs_rules ROOT: each country's rules for radio, under the name that the kernel looks for. Of the two signatures that Debian
# brings, the kernel.org one is known to every kernel.
rootfs_rules() {
    local file
    for file in regulatory.db regulatory.db.p7s; do mv "$1/usr/lib/firmware/$file-upstream" "$1/usr/lib/firmware/$file"; done
}

# rootfs_libraries ROOT: all that is asked for, directly or not.
rootfs_libraries() {
    local more=yes file library
    while [[ $more = yes ]]; do
        more=no
        for library in $(find "$1/usr" -path "*/firmware" -prune -o -type f -exec readelf -dW {} + 2>/dev/null | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u); do
            [[ ! -e $1/usr/lib/$library ]] || continue
            file=$(find "$PACKAGES/root/usr/lib" -name "$library" -print -quit)
            [[ -n $file ]] || die "the library $library is in no package of $IMAGE/debian/packages" 'Add the package that brings it.'
            install -D "$file" "$1/usr/lib/$library"
            more=yes
        done
    done
}

# rootfs_facts ROOT SOURCE: what the running system wants to know of itself; SOURCE is what it is made of, for people.
rootfs_facts() {
    local here=$1/usr/lib/cloud-stick board
    echo "$BUILD_TIME" >"$here/built"
    cp "$IMAGE/layout.sh" "$here/layout.sh"
    rm -rf "$here/boards"
    mkdir -p "$here/boards"
    for board in $(boards); do cp "$REPOSITORY/board/$board/board.conf" "$here/boards/$board"; done
    keys_install "$1" "$UPDATE_CHANNEL" "$UPDATE_KEY"
    cat >"$1/etc/os-release" <<OS
NAME="Cloud Stick"
ID=cloud-stick
PRETTY_NAME="Cloud Stick, of $2"
VERSION_ID=$IMAGE_VERSION
OS
}

# rootfs_busybox ROOT: a name for everything that busybox can do and nobody else brought.
rootfs_busybox() {
    local name
    for name in $(qemu-arm "$PACKAGES/root/usr/bin/busybox" --list); do
        [[ -e $1/usr/bin/$name || -e $1/usr/sbin/$name ]] || ln -s busybox "$1/usr/bin/$name"
    done
    # The kernel looks for these there.
    ln -sf ../bin/busybox "$1/usr/sbin/init"
    ln -sf ../bin/busybox "$1/usr/sbin/modprobe"
}
