# shellcheck shell=bash
# The guest's kernel, initramfs and root file system, made of Debian packages. No root rights needed.

# shellcheck source=arch.sh
. "$RIG/lib/arch.sh"

# image_folder: where the finished image of this version of the scripts is (or will be).
image_folder() {
    local recipe
    recipe=$(cat "$RIG"/guest-packages "$RIG"/guest-modules "$RIG"/guest/initramfs-init "$RIG"/lib/image.sh - <<<"${GUEST_SUITES[*]} $GUEST_KERNEL $GUEST_PACKAGES" | sha256sum)
    printf '%s/virtual-tv/image-%s-%s\n' "$CACHE" "$GUEST_DEBIAN" "${recipe:0:16}"
}

# build_guest_image REFRESH: makes the image unless it exists. The caller holds the lock.
build_guest_image() {
    local target build
    target=$(image_folder)
    if [[ -e $target/complete && $1 = no ]]; then
        return 0
    fi
    apt_setup
    say "Reading the package lists of $DEBIAN_MIRROR"
    apt_update
    build=$CACHE/virtual-tv/build-$GUEST_DEBIAN
    rm -rf "$build"
    mkdir -p "$build/root" "$build/initramfs"
    fetch_kernel "$build"
    fetch_root "$build"
    pack_modules "$build"
    pack_initramfs "$build"
    pack_root "$build"
    rm -rf "$build/root" "$build/initramfs" "$build/kernel"
    touch "$build/complete"
    rm -rf "$target"
    mv "$build" "$target"
    say "The virtual TV's image is ready: $target"
}

# fetch_kernel BUILD: the newest stock Debian 6.12 kernel and all of its modules.
fetch_kernel() {
    local package
    package=$(apt_guest apt-cache pkgnames linux-image-6.12 | grep -xE "$GUEST_KERNEL" |
        sort -V | tail -n 1)
    [[ -n $package ]] || die "$DEBIAN_MIRROR has no kernel like $GUEST_KERNEL in ${GUEST_SUITES[*]}" \
        "The mirror may be in mid-synchronisation; try again later."
    say "Downloading $package (50 to 110 MB)"
    apt_fetch "$APT_FOLDER/archives" "$package"
    merge_usr "$1/kernel"
    dpkg-deb -x "$APT_FOLDER/archives/$package"_*.deb "$1/kernel"
    rm -f "$APT_FOLDER/archives/$package"_*.deb
    mv "$1"/kernel/boot/vmlinuz-* "$1/vmlinuz"
    # Device trees of the boards, where there are any.
    mkdir -p "$1/dtb"
    find "$1"/kernel/usr/lib/linux-image-* -name 'sun*.dtb' -exec cp -t "$1/dtb" {} + 2>/dev/null || true
    printf '%s\n' "${package#linux-image-}" >"$1/kernel-version"
}

# merge_usr FOLDER: /bin, /sbin and /lib as links into /usr, which the packages of newer suites count on. (Older ones
# bring files in both, under the same names.)
merge_usr() {
    local name
    mkdir -p "$1"
    [[ " ${GUEST_SUITES[*]} " != *' bookworm '* ]] || return 0
    for name in bin sbin lib; do
        mkdir -p "$1/usr/$name"
        ln -s "usr/$name" "$1/$name"
    done
}

# fetch_root BUILD: the packages of guest-packages and what they depend on, unpacked.
fetch_root() {
    local packages wanted archive
    packages="$(sed 's/#.*//' "$RIG/guest-packages" | xargs) $GUEST_PACKAGES"
    # Interpreters that only maintainer scripts and side programs of these packages want.
    # shellcheck disable=SC2086 # a list of words
    wanted=$(apt_closure $packages | grep -vE '^(lib)?(python3|perl)|^(dpkg|debconf|adduser|passwd|media-types)=')
    say "Downloading the guest's tools ($(wc -l <<<"$wanted") packages)"
    rm -rf "$1/archives"
    # shellcheck disable=SC2086
    apt_fetch "$1/archives" $wanted
    merge_usr "$1/root"
    for archive in "$1"/archives/*.deb; do dpkg-deb -x "$archive" "$1/root"; done
    rm -rf "$1/archives"
    printf '%s\n' "$wanted" >"$1/packages"
    (
        cd "$1/root" || exit
        rm -rf usr/share/{doc,man,locale,info,lintian,bug,i18n}
        # Of the character sets only the one of FAT volume labels.
        find "usr/lib/$GUEST_TRIPLET/gconv" -name '*.so' ! -name IBM850.so -delete
        mkdir -p dev proc sys tmp run mnt share root etc
        echo 'root:x:0:0:root:/root:/bin/sh' >etc/passwd
        echo 'root:x:0:' >etc/group
        echo '127.0.0.1 localhost virtual-tv' >etc/hosts
        ln -sf /proc/mounts etc/mtab
        # Links that update-alternatives would complete lead nowhere here.
        find . -lname '/etc/alternatives/*' -delete
        ln -sf dash bin/sh
        # Busybox fills every name that no package brought.
        local name
        while read -r name; do
            [[ -e usr/bin/$name || -e usr/sbin/$name || -e bin/$name || -e sbin/$name ]] || ln -sf busybox "bin/$name"
        done < <(guest_busybox "$1" --list)
    )
}

# guest_program BUILD PROGRAM NAME ARGUMENTS...: runs a program of the guest's root file system on this machine,
# under the NAME that a program of many names (kmod) goes by.
guest_program() {
    local root=$1/root program=$2 name=$3
    shift 3
    if [[ $VIRTUAL_TV_ARCH = arm ]]; then
        qemu-arm -L "$root" -0 "$name" "$root/$program" "$@"
        return
    fi
    "$root/lib64/ld-linux-x86-64.so.2" --library-path "$root/lib/x86_64-linux-gnu:$root/usr/lib/x86_64-linux-gnu" \
        --argv0 "$name" "$root/$program" "$@"
}

# guest_busybox BUILD APPLET ARGUMENTS...: the same for busybox, which is a static program.
guest_busybox() {
    local busybox=$1/root/bin/busybox
    shift
    if [[ $VIRTUAL_TV_ARCH = arm ]]; then qemu-arm "$busybox" "$@"; else "$busybox" "$@"; fi
}

# pack_modules BUILD: the chosen part of the module tree, decompressed (cheaper to load under emulation).
pack_modules() {
    local version source target entry
    version=$(<"$1/kernel-version")
    source=$1/kernel/lib/modules/$version
    target=$1/root/lib/modules/$version
    mkdir -p "$target"
    cp "$source"/modules.{order,builtin,builtin.modinfo} "$target"
    while read -r entry; do
        (cd "$source" && find "kernel/$entry"* -name '*.ko*' -print0 2>/dev/null) || true
    done < <(sed "s/#.*//; s/ *$//; /^$/d; s/ARCH/$GUEST_CRYPTO/" "$RIG/guest-modules") | sort -zu |
        (cd "$source" && xargs -0 cp --parents -t "$target")
    find "$target" -name '*.ko.xz' -print0 | xargs -0 -r xz -d
    guest_program "$1" bin/kmod depmod -b "$1/root" "$version"
}

# What the initramfs loads to reach the root file system and the shared folder.
INITRAMFS_MODULES=(virtio_pci virtio_blk virtio_console virtio_net ext4 crc32c_generic 9pnet_virtio 9p)

# pack_initramfs BUILD: busybox and those modules, in the order in which they load.
pack_initramfs() {
    local version tree=$1/initramfs modules module
    version=$(<"$1/kernel-version")
    modules=$1/root/lib/modules/$version
    mkdir -p "$tree"/{bin,dev,proc,sys,root,modules}
    cp "$1/root/bin/busybox" "$tree/bin/busybox"
    install -m 755 "$RIG/guest/initramfs-init" "$tree/init"
    for module in "${INITRAMFS_MODULES[@]}"; do
        guest_program "$1" bin/kmod modprobe -d "$1/root" -S "$version" --show-depends "$module"
    done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$1/load-order"
    while read -r module; do
        cp "$modules/kernel/${module#*/kernel/}" "$tree/modules/"
        echo "/modules/$(basename "$module")"
    done <"$1/load-order" >"$tree/modules.order"
    (cd "$tree" && find . | guest_busybox "$1" cpio -o -H newc -R 0:0 2>/dev/null) >"$1/initramfs"-new
    mv "$1/initramfs-new" "$1/initramfs.cpio"
}

# pack_root BUILD: the root file system as an image. Guests open it with snapshot=on, so that it never changes.
pack_root() {
    local size
    size=$(du -sm "$1/root" | cut -f1)
    truncate -s "$((size + size / 4 + 256))M" "$1/root.ext4"
    guest_program "$1" sbin/mke2fs mke2fs -q -t ext4 -O ^has_journal,^metadata_csum -E root_owner=0:0 -d "$1/root" "$1/root.ext4"
}
