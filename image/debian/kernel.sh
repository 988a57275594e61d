# shellcheck shell=bash
# The kernel: Debian's, with the modules that the product wants.

# kernel_unpacked TREE: what is to be done once with a fresh tree: the index of all modules, by which those are found that others need.
kernel_unpacked() { depmod -b "$1" "$(kernel_version "$1")"; }

# kernel_version TREE
kernel_version() { (cd "$1/usr/lib/modules" && echo ./* | sed 's|^\./||'); }

kernel_config() { echo "$PACKAGES/kernel/boot/config-$(kernel_version "$PACKAGES/kernel")"; }

# kernel_modules LIST: the files of these modules and of those that they need, in an order in which they load, relative to the
# folder of modules.
kernel_modules() {
    local version name found
    version=$(kernel_version "$PACKAGES/kernel")
    sed 's/#.*//' "$1" | awk 'NF { print $1 }' | while read -r name; do
        found=$(modprobe -d "$PACKAGES/kernel" -S "$version" --show-depends "$name" 2>&1) ||
            die "the kernel has no module $name, which is in $1" "$found"
        sed -n "s|^insmod .*/$version/\([^ ]*\).*|\1|p" <<<"$found"
    done | awk '!seen[$0]++'
}

# kernel_install ROOT: the chosen modules, decompressed (the file system compresses better, and loading is cheaper), and
# their index.
kernel_install() {
    local version files
    version=$(kernel_version "$PACKAGES/kernel")
    files=$(kernel_modules "$IMAGE/modules")
    mkdir -p "$1/usr/lib/modules/$version"
    (cd "$PACKAGES/kernel/usr/lib/modules/$version" && cp modules.order modules.builtin modules.builtin.modinfo "$1/usr/lib/modules/$version" &&
        xargs cp --parents -t "$1/usr/lib/modules/$version" <<<"$files")
    find "$1/usr/lib/modules/$version" -name '*.ko.xz' -print0 | xargs -0 xz -d
    depmod -b "$1" "$version"
    # busybox reads the texts.
    rm -f "$1/usr/lib/modules/$version"/modules.{*.bin,order,devname,softdep,weakdep}
}
