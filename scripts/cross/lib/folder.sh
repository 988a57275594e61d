# shellcheck shell=bash
# The build folder: a Debian trixie with everything that makes programs for the boards, in the cache, shared by all
# checkouts. Made once by mmdebstrap, which needs root rights; the machine's own packages stay as they are.

CROSS_SUITE=trixie

# folder_path: where the finished folder of this recipe is (or will be).
folder_path() {
    local recipe
    recipe=$({ cat "$CROSS/packages" && declare -f folder_bootstrap; } | sha256sum)
    printf '%s/cross/folder-%s\n' "$CACHE" "${recipe:0:16}"
}

# folder_prepare REFRESH: makes the folder unless it exists, and holds it for as long as this process and those that it
# starts live. Sets FOLDER.
folder_prepare() {
    local lock held
    FOLDER=$(folder_path)
    mkdir -p "$CACHE/cross"
    exec {lock}>"$CACHE/cross/lock"
    flock --nonblock "$lock" || {
        say "Another run prepares the build folder; waiting for it."
        flock "$lock"
    }
    [[ $1 = no && -e $FOLDER/complete ]] || folder_make
    exec {held}<"$FOLDER/complete"
    flock --shared "$held"
    # Used today (folder_prune).
    as_root touch "$FOLDER/complete"
    folder_prune
    exec {lock}>&-
}

# folder_make: a new folder, in place of the old one at once. The caller holds the lock.
folder_make() {
    local begin=$SECONDS part=$FOLDER.part
    choose_mirror
    [[ -r $DEBIAN_KEYRING ]] || host_install debian-archive-keyring
    command -v mmdebstrap >/dev/null || host_install mmdebstrap
    say "Making the build folder out of Debian $CROSS_SUITE packages (about 500 MB to download, 1.6 GB on the disk; some minutes)"
    retry 4 folder_bootstrap "$part" ||
        die "the build folder could not be made from $DEBIAN_MIRROR" \
            "mmdebstrap's messages are in $CACHE/cross/folder.log. A mirror in mid-synchronisation heals within the hour;" \
            "another one can be chosen: DEBIAN_MIRROR=http://ftp.debian.org/debian $0"
    # Somebody may build in the old one: it goes when they have left (folder_prune).
    [[ ! -e $FOLDER ]] || as_root mv "$FOLDER" "$FOLDER.old.$$"
    as_root touch "$part/complete"
    as_root mv "$part" "$FOLDER"
    say "The build folder is ready after $((SECONDS - begin)) s: $FOLDER"
}

# folder_bootstrap FOLDER: one try. Only the suite itself as a source: what is newer in others may be there for one
# architecture and not yet for the other.
folder_bootstrap() {
    local include
    include=$(sed 's/#.*//' "$CROSS/packages" | xargs | tr ' ' ,)
    as_root rm -rf "$1"
    # qemu-user brings 40 processors, of which one is wanted; gconv and documents nobody reads there.
    as_root mmdebstrap --mode=root --variant=apt --architectures=amd64,armhf --include="$include" \
        --aptopt='APT::Install-Recommends "0"' --aptopt='Acquire::Retries "3"' --aptopt='Acquire::Languages "none"' \
        --dpkgopt='path-exclude=/usr/bin/qemu-*' --dpkgopt='path-include=/usr/bin/qemu-arm' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook='mkdir -p "$1/build/source" "$1/build/target" "$1/build/vendor" "$1/build/rust"' \
        --customize-hook='chroot "$1" dpkg-query --show >"$1/packages"' \
        "$CROSS_SUITE" "$1" "deb [signed-by=$DEBIAN_KEYRING] $DEBIAN_MIRROR $(suite_name "$CROSS_SUITE" amd64 armhf) main" \
        >"$CACHE/cross/folder.log" 2>&1
}

# folder_prune: removes the folders of other recipes in which nobody builds and which nobody used within a day (a checkout of
# another version beside this one). The caller holds the lock.
folder_prune() {
    local other
    for other in "$CACHE"/cross/folder-*; do
        [[ $other != "$FOLDER" && -d $other ]] || continue
        [[ -z $(find "$other/complete" -mmin -1440 2>/dev/null) ]] || continue
        if [[ ! -e $other/complete ]] || flock --exclusive --nonblock "$other/complete" true; then
            say "Removing an old build folder: $other"
            as_root rm -rf --one-file-system "$other"
        fi
    done
}
