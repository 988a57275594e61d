# shellcheck shell=bash
# The program with librbd for the boards' processor, as an answer to "would it work?": it links with the last librbd that
# Debian built for 32-bit ARM (bookworm, 16.2), and run by qemu-arm it uses an image of a real cluster of today's Ceph.

LIBRBD_SUITE=bookworm
LIBRBD_PACKAGES=librbd-dev,librados-dev,libc6,libgcc-s1

# librbd_prepare: the libraries and all they need, as a folder below the target folder, where the build sees them. The
# archive of it is kept in the cache. Sets LIBRBD.
librbd_prepare() {
    local archive lock
    archive=$CACHE/cross/librbd-$(printf '%s\n' 1 "$LIBRBD_SUITE" "$LIBRBD_PACKAGES" | sha256sum | cut -c1-16).tar
    LIBRBD=$CROSS_TARGET/librbd
    exec {lock}>"$CACHE/cross/librbd.lock"
    flock "$lock"
    [[ -e $archive ]] || librbd_fetch "$archive"
    exec {lock}>&-
    [[ ! $LIBRBD/complete -nt $archive ]] || return 0
    rm -rf "$LIBRBD"
    mkdir -p "$LIBRBD/root" "$LIBRBD/link"
    tar -x -C "$LIBRBD/root" --no-same-owner --no-same-permissions --exclude='./dev/*' -f "$archive"
    # Debian 12 unpacks some libraries into /lib, which is to be /usr/lib.
    cp -a "$LIBRBD/root/lib/." "$LIBRBD/root/usr/lib/"
    rm -r "$LIBRBD/root/lib"
    ln -s usr/lib "$LIBRBD/root/lib"
    # Those of C and C++ are the build folder's, which the program was linked with: newer ones serve older libraries, and
    # qemu-arm takes from there what it does not find here.
    (cd "$LIBRBD/root/usr/lib" && rm -f ld-linux-armhf.so.3 arm-linux-gnueabihf/{ld-linux-armhf,libc,libm,libpthread,libdl,librt,libresolv,libutil,libgcc_s,libstdc++}.so.*)
    # The linker is shown these two and no other library of that suite.
    ln -s ../root/usr/lib/arm-linux-gnueabihf/{librbd,librados}.so "$LIBRBD/link/"
    touch "$LIBRBD/complete"
}

librbd_fetch() {
    choose_mirror
    [[ -r $DEBIAN_KEYRING ]] || host_install debian-archive-keyring
    command -v mmdebstrap >/dev/null || host_install mmdebstrap
    say "Downloading librbd for ARM from Debian $LIBRBD_SUITE (about 30 MB, only once)"
    # Only unpacked: nothing of it runs here.
    retry 4 mmdebstrap --quiet --mode=auto --variant=extract --skip=check/qemu --architectures=armhf --keyring="$DEBIAN_KEYRING" \
        --aptopt='APT::Install-Recommends "0"' --aptopt='Acquire::Retries "3"' --aptopt='Acquire::Languages "none"' \
        --dpkgopt='path-exclude=/usr/share/*' --include="$LIBRBD_PACKAGES" --format=tar "$LIBRBD_SUITE" "$1.part" \
        "deb $DEBIAN_MIRROR $(suite_name "$LIBRBD_SUITE" armhf) main" ||
        die "librbd for ARM could not be had from $DEBIAN_MIRROR" 'A mirror in mid-synchronisation heals within the hour.'
    mv "$1.part" "$1"
}

# librbd_build PROFILE: sets PROGRAM. It gets a name of its own, so that nobody takes it for the boards' program.
librbd_build() {
    local built libraries=/build/target/librbd/root/usr/lib/arm-linux-gnueabihf
    built=$CROSS_TARGET/$CROSS_TRIPLE/$([[ $1 = dev ]] && echo debug || echo "$1")
    inside env LIBRBD_DIR=/build/target/librbd/link cargo rustc --locked --profile "$1" --package gadget-manager \
        --bin gadget-manager -- "-Clink-arg=-Wl,-rpath-link=$libraries:$libraries/ceph"
    PROGRAM=$built/gadget-manager-librbd
    # (Cargo links its files: what was not built again would be the same file.)
    rm -f "$PROGRAM"
    mv "$built/gadget-manager" "$PROGRAM"
}

# emulated ARGUMENT...: the program, with the libraries of its suite.
emulated() { inside qemu-arm -L /build/target/librbd/root "$(inside_path "$PROGRAM")" --config "$(inside_path "$TRY/config.toml")" "$@"; }

# librbd_try PROFILE: builds it, makes a cluster and an image, and uses the image both ways.
librbd_try() {
    librbd_prepare
    librbd_build "$1"
    say "Libraries that it asks for: $(inside arm-linux-gnueabihf-readelf -dW "$(inside_path "$PROGRAM")" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | xargs)"
    TRY=$CROSS_TARGET/librbd-try
    rm -rf "$TRY"
    mkdir -p "$TRY"
    CLUSTER=$(mktemp -d "${TMPDIR:-/tmp}/cross-librbd.XXXXXX")
    SERVER=
    trap librbd_clean EXIT
    librbd_cluster
    librbd_use
}

librbd_clean() {
    [[ -z $SERVER ]] || kill "$SERVER" 2>/dev/null || true
    "$REPOSITORY/scripts/ceph" stop "$CLUSTER/ceph" >/dev/null 2>&1 || true
    rm -rf "$CLUSTER" "$TRY"
}

librbd_cluster() {
    local ceph=$REPOSITORY/scripts/ceph user pool
    "$ceph" prepare
    "$ceph" start "$CLUSTER/ceph" >/dev/null
    user=$(sed -n 's/^user=//p' "$CLUSTER/ceph/cluster") pool=$(sed -n 's/^pool=//p' "$CLUSTER/ceph/cluster")
    # Random bytes with a hole in them.
    head -c 8M /dev/urandom >"$TRY/image"
    truncate -s 64M "$TRY/image"
    "$ceph" run "$CLUSTER/ceph" -- rbd import --no-progress "$TRY/image" "$pool/try"
    cp "$CLUSTER/ceph/ceph.conf" "$TRY/"
    (umask 077 && cp "$CLUSTER/ceph/ceph.client.$user.keyring" "$TRY/keyring")
    cat >"$TRY/config.toml" <<TOML
state_dir = "$(inside_path "$TRY/state")"
run_dir = "$(inside_path "$TRY/run")"

[[store]]
name = "ceph"
type = "rbd"
pool = "$pool"
conf_file = "$(inside_path "$TRY/ceph.conf")"
user = "$user"
keyring_file = "$(inside_path "$TRY/keyring")"
deadline_seconds = 60
TOML
}

librbd_use() {
    local port url file=$TRY/image
    emulated disk info ceph/try
    free_port port
    url=nbd://127.0.0.1:$port
    # Its process id: what is started below is a chain of programs.
    inside sh -c 'echo $$ >"$1" && shift && exec "$@"' sh "$(inside_path "$TRY/pid")" qemu-arm -L /build/target/librbd/root \
        "$(inside_path "$PROGRAM")" --config "$(inside_path "$TRY/config.toml")" nbd ceph/try --listen "127.0.0.1:$port" >"$TRY/log" 2>&1 &
    for ((second = 0; second < 120; second++)); do
        nbdinfo --size "$url" >/dev/null 2>&1 && break
        sleep 1
    done
    SERVER=$(<"$TRY/pid")
    nbdinfo --size "$url" >/dev/null || die 'the emulated server does not answer' "$(tail -n 5 "$TRY/log")"
    qemu-img compare -f raw -F raw "$url" "$file" >/dev/null || die 'librbd on ARM reads other bytes than rbd import wrote'
    say 'It reads what rbd import wrote.'
    dd if=/dev/urandom of="$file" bs=1M seek=20 count=5 conv=notrunc status=none
    dd if=/dev/zero of="$file" bs=1M seek=4 count=4 conv=notrunc status=none
    qemu-img convert -n -f raw -O raw "$file" "$url"
    kill "$SERVER"
    while kill -0 "$SERVER" 2>/dev/null; do sleep 0.2; done
    SERVER=
    "$REPOSITORY/scripts/ceph" run "$CLUSTER/ceph" -- rbd export --no-progress try "$TRY/export"
    cmp "$file" "$TRY/export" || die 'rbd export has other bytes than librbd on ARM wrote'
    say 'rbd export has what it wrote. librbd works on this processor.'
}
