# shellcheck shell=bash
# Debian's packages for the boards: fetched and unpacked into the cache, once for each set of them. No maintainer script runs.

# shellcheck source=../../scripts/virtual-tv/lib/apt.sh
. "$RIG/lib/apt.sh"

DEBIAN_SUITE=trixie
# The second one is for the firmware of radios.
DEBIAN_COMPONENTS='main non-free-firmware'

# packages_prepare REFRESH LIST: sets PACKAGES to a folder with `debs`, `list` (name, version, SHA-256 of each), and the trees
# `root`, `kernel` and `uboot`. LIST is a file like that `list`, of an image whose packages are to be had again.
packages_prepare() {
    local lock held recipe
    recipe=$(cat "$IMAGE/debian/packages" "$IMAGE/debian/packages.sh" ${2:+"$2"} | sha256sum)
    PACKAGES=$CACHE/image/debian-${recipe:0:16}
    mkdir -p "$CACHE/image" "$CACHE/virtual-tv"
    exec {lock}>"$CACHE/image/lock"
    flock --nonblock "$lock" || {
        say 'Another run fetches packages; waiting for it.'
        flock "$lock"
    }
    [[ $1 = no && -e $PACKAGES/complete ]] || packages_make "${2:-}"
    # Used today (packages_prune), and as long as this process lives.
    touch "$PACKAGES/complete"
    exec {held}<"$PACKAGES/complete"
    flock --shared "$held"
    packages_prune
    exec {lock}>&-
}

packages_make() {
    local part=$PACKAGES.part
    rm -rf "$part"
    mkdir -p "$part"
    packages_fetch "$part/debs" "$1"
    packages_list "$part/debs" >"$part/list"
    [[ -z $1 ]] || cmp -s "$1" "$part/list" || die "the mirror's packages are not those of $1" "$(diff "$1" "$part/list" | head -n 5)"
    packages_unpack "$part"
    touch "$part/complete"
    rm -rf "$PACKAGES"
    mv "$part" "$PACKAGES"
}

# packages_fetch FOLDER LIST: the newest ones, or those of the list.
packages_fetch() {
    local wanted lock
    # The lists of packages are shared with the virtual TV.
    exec {lock}>"$CACHE/virtual-tv/lock"
    flock "$lock"
    arch_select arm
    apt_setup
    say "Reading the package lists of $DEBIAN_MIRROR"
    apt_update
    if [[ -n $2 ]]; then
        wanted=$(awk '{ print $1 "=" $2 }' "$2")
    else
        wanted="$(package_names) $(kernel_package)"
    fi
    say "Downloading $(wc -w <<<"$wanted") packages (about 65 MB)"
    # shellcheck disable=SC2086 # a list of words
    apt_fetch "$1" $wanted
    exec {lock}>&-
}

package_names() { sed 's/#.*//' "$IMAGE/debian/packages" | awk 'NF { print $1 }'; }

kernel_package() {
    local package
    package=$(apt_guest apt-cache pkgnames linux-image-6.12 | grep -xE "$GUEST_KERNEL" | sort -V | tail -n 1)
    [[ -n $package ]] || die "$DEBIAN_MIRROR has no kernel like $GUEST_KERNEL in $DEBIAN_SUITE" \
        'The mirror may be in mid-synchronisation; try again later.'
    echo "$package"
}

# packages_list FOLDER: name, version and SHA-256 of each, sorted.
packages_list() {
    local deb
    for deb in "$1"/*.deb; do
        printf '%s %s\n' "$(dpkg-deb -W --showformat='${Package} ${Version}' "$deb")" "$(sha256sum <"$deb" | cut -d' ' -f1)"
    done | LC_ALL=C sort
}

packages_unpack() {
    local deb tree
    for tree in root kernel uboot; do
        mkdir -p "$1/$tree/usr"/{bin,sbin,lib}
        ln -s usr/bin usr/sbin usr/lib "$1/$tree"
    done
    for deb in "$1"/debs/*.deb; do
        case ${deb##*/} in
        linux-image-*) tree=kernel ;;
        u-boot-*) tree=uboot ;;
        *) tree=root ;;
        esac
        dpkg-deb -x "$deb" "$1/$tree"
    done
    kernel_unpacked "$1/kernel"
}

# packages_prune: removes sets that nobody uses and nobody used within a day. The caller holds the lock.
packages_prune() {
    local other
    for other in "$CACHE"/image/debian-*; do
        [[ $other != "$PACKAGES" && -d $other ]] || continue
        [[ -z $(find "$other/complete" -mmin -1440 2>/dev/null) ]] || continue
        if [[ ! -e $other/complete ]] || flock --exclusive --nonblock "$other/complete" true; then
            say "Removing an old set of packages: $other"
            rm -rf "$other"
        fi
    done
}
