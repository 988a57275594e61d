# shellcheck shell=bash
# What all parts of building an image share. Those who source this have sourced scripts/virtual-tv/lib/common.sh.

IMAGE=$REPOSITORY/image
# All times in the image are this one: that of the last commit, unless SOURCE_DATE_EPOCH says otherwise.
BUILD_TIME=${SOURCE_DATE_EPOCH:-$(git -C "$REPOSITORY" log -1 --format=%ct 2>/dev/null || echo 0)}
IMAGE_VERSION=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$REPOSITORY/Cargo.toml")
# Which bundles the image accepts: those that the key of this channel signed (image/update/keys.sh).
UPDATE_CHANNEL=${UPDATE_CHANNEL:-development} UPDATE_KEY=${UPDATE_KEY:-}
export UPDATE_CHANNEL UPDATE_KEY
export IMAGE IMAGE_VERSION SOURCE_DATE_EPOCH=$BUILD_TIME

# same_always FOLDER: rights and times do not tell who made it and when.
same_always() {
    chmod -R u=rwX,go=rX "$1"
    find "$1" -exec touch --no-dereference --date="@$BUILD_TIME" {} +
}

# image_tools: installs what is missing on this machine.
image_tools() {
    local program missing=()
    local -A tools=([mksquashfs]=squashfs-tools [mkenvimage]=u-boot-tools [zstd]=zstd [mcopy]=mtools [mkfs.vfat]=dosfstools
        [sfdisk]=fdisk [cpio]=cpio [depmod]=kmod [readelf]=binutils [xz]=xz-utils [qemu-arm]=qemu-user [fdtget]=device-tree-compiler
        [python3]=python3 [dpkg-deb]=dpkg [openssl]=openssl [veritysetup]=cryptsetup-bin)
    PATH=$PATH:/usr/sbin:/sbin
    for program in "${!tools[@]}"; do
        command -v "$program" >/dev/null || missing+=("${tools[$program]}")
    done
    [[ ${#missing[@]} -eq 0 ]] || host_install "${missing[@]}"
}
