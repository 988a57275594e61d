# shellcheck shell=bash
# The QEMU that emulates the boards. Debian 12's own (7.2) does not load from a Cubieboard's card (since 8.0) and has no Banana Pi
# M2 Ultra (since 8.1): a machine that has no newer one gets that of the backports, in a folder of its own in the cache. The
# machine's packages stay what they are.

# shellcheck source=../../../scripts/virtual-tv/lib/host.sh
. "$RIG/lib/host.sh"

QEMU_WANTED=8.2

# qemu_prepare: sets QEMU_ARM, the words to start it with; downloads it (about 25 MB) if it is missing.
qemu_prepare() {
    local found
    if command -v qemu-system-arm >/dev/null; then
        found=$(qemu-system-arm --version | sed -nE '1s/.*version ([0-9.]+).*/\1/p')
        if printf '%s\n' "$QEMU_WANTED" "$found" | sort -V -C; then
            QEMU_ARM=(qemu-system-arm)
            return
        fi
    fi
    local folder=$CACHE/qemu-arm
    # Another of several tests may be at it.
    exec {QEMU_LOCK}>"$CACHE/qemu-arm.lock"
    flock "$QEMU_LOCK"
    [[ -e $folder/complete ]] || qemu_download "$folder" || exit 1
    exec {QEMU_LOCK}>&-
    local libraries=$folder/usr/lib/x86_64-linux-gnu
    QEMU_ARM=(env "LD_LIBRARY_PATH=$libraries" "QEMU_MODULE_DIR=$libraries/qemu" "$folder/usr/bin/qemu-system-arm" -L "$folder/usr/share/qemu")
    "${QEMU_ARM[@]}" --version >/dev/null ||
        die "the QEMU in $folder does not start" "Remove that folder and start again; or install a qemu-system-arm of version $QEMU_WANTED or newer."
}

# qemu_download FOLDER: it, its data and those libraries that the machine does not have.
qemu_download() (
    local folder=$1 libraries=() new
    say "Downloading a newer QEMU for the emulated boards (25 MB, only once)"
    rm -rf "$folder" "$folder.new"
    mkdir -p "$folder.new"
    arch_select amd64
    # apt's lists there are those of the guest's packages too.
    mkdir -p "$CACHE/virtual-tv"
    exec {QEMU_APT_LOCK}>"$CACHE/virtual-tv/lock"
    flock "$QEMU_APT_LOCK"
    apt_setup
    apt_update
    # What it needs, as far as the machine does not have it.
    mapfile -t libraries < <(apt_host apt-get install --simulate --no-install-recommends -t bookworm-backports qemu-system-arm |
        sed -nE -e '/^Inst qemu-/d' -e 's/^Inst ([^ ]+) (\[[^]]*\] )?\(([^ ]*) .*/\1=\3/p')
    apt_fetch "$folder.new/packages" qemu-system-{arm,common,data}/bookworm-backports "${libraries[@]}"
    for new in "$folder.new"/packages/*.deb; do dpkg-deb --extract "$new" "$folder.new" || exit; done
    rm -rf "$folder.new/packages"
    : >"$folder.new/complete" || exit
    mv "$folder.new" "$folder"
)
