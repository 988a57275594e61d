# shellcheck shell=bash
# Ceph's programs: a folder with a small Debian in the cache, made once by mmdebstrap. The programs of this machine's own
# Debian are of no use as servers: their version is old, and installing them would start services.

# shellcheck source=../virtual-tv/lib/apt.sh
. "$SCRIPTS/virtual-tv/lib/apt.sh"

CEPH_SUITE=trixie
CEPH_PACKAGES=ceph-mon,ceph-osd,ceph-common,radosgw

# root_folder: where it is (or will be).
root_folder() {
    local recipe
    recipe=$(printf '%s\n' 1 "$CEPH_SUITE" "$CEPH_PACKAGES" | sha256sum)
    printf '%s/ceph/root-%s\n' "$CACHE" "${recipe:0:16}"
}

# root_hold: keeps it in the cache for as long as this process and those that it starts live.
root_hold() {
    local held root
    root=$(root_folder)
    [[ -e $root/complete ]] || die "Ceph is not prepared" "Run scripts/ceph prepare first."
    exec {held}<"$root/complete"
    flock --shared "$held"
}

# root_prepare: makes it unless it is there. Several may ask at the same time: the first makes it, the others wait.
root_prepare() {
    local root lock
    root=$(root_folder)
    [[ ! -e $root/complete ]] || return 0
    [[ -r $DEBIAN_KEYRING ]] || die "$DEBIAN_KEYRING is missing" "Run scripts/install-dependencies."
    command -v mmdebstrap >/dev/null || die "mmdebstrap is missing" "Run scripts/install-dependencies."
    mkdir -p "$CACHE/ceph"
    exec {lock}>"$CACHE/ceph/lock"
    flock --nonblock "$lock" || {
        say "Somebody else prepares Ceph; waiting for it."
        flock "$lock"
    }
    if [[ ! -e $root/complete ]]; then
        choose_mirror
        rm -rf "$root.part"
        say "Downloading Ceph from Debian $CEPH_SUITE at $DEBIAN_MIRROR (about 170 MB, 2 to 4 minutes, only once)"
        RETRY_PAUSE=20 retry 3 root_make "$root.part" ||
            die "Ceph could not be installed from $DEBIAN_MIRROR (its messages are above)" \
                "A mirror in mid-synchronisation heals within the hour; another one can be chosen:" \
                "DEBIAN_MIRROR=http://ftp.debian.org/debian $0 prepare" \
                "As a user other than root, mmdebstrap also needs the package uidmap and a line in /etc/subuid and /etc/subgid."
        touch "$root.part/complete"
        rm -rf "$root"
        mv "$root.part" "$root"
        root_prune
        say "Ceph is ready: $(du -sh "$root" | cut -f1) in $root"
    fi
    exec {lock}>&-
}

# root_make FOLDER: by way of an archive, so that the folder belongs to whoever runs this and needs no root rights.
root_make() {
    rm -rf "$1"
    mkdir -p "$1"
    mmdebstrap --quiet --mode=auto --variant=apt --keyring="$DEBIAN_KEYRING" --format=tar \
        --aptopt='APT::Install-Recommends "0"' --aptopt='Acquire::Retries "5"' --aptopt='Acquire::Languages "none"' \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
        --include="$CEPH_PACKAGES" "$CEPH_SUITE" - "deb $DEBIAN_MIRROR $(suite_name "$CEPH_SUITE" "$(dpkg --print-architecture)") main" |
        tar -x -C "$1" --no-same-owner --no-same-permissions --exclude='./dev/*' --exclude='./var/lib/apt/*' \
            --exclude='./var/cache/apt/*'
}

# root_prune: removes those of older recipes that nobody holds.
root_prune() {
    local folder current
    current=$(root_folder)
    for folder in "$CACHE"/ceph/root-*; do
        [[ $folder != "$current" && -d $folder ]] || continue
        if [[ ! -e $folder/complete ]] || flock --exclusive --nonblock "$folder/complete" true; then
            say "Removing an old Ceph: $folder"
            rm -rf "$folder"
        fi
    done
}
