# shellcheck shell=bash
# The words of the image's tests, beside those of the emulated board (board.sh), of servers and of configurations
# (scripts/virtual-tv/lib).

# shellcheck source=../../../scripts/virtual-tv/lib/words.sh
. "$RIG/lib/words.sh"
# shellcheck source=board.sh
. "$REPOSITORY/ci/image/lib/board.sh"

# shellcheck source=../../../image/lib/verity.sh
. "$REPOSITORY/image/lib/verity.sh"

# Words for the kernel that the tests want: a shell on the console, and a USB host.
FOR_TESTS='cloud_stick.shell cloud_stick.modules=dummy_hcd,sd_mod,usb-storage'
export FOR_TESTS

# card_of_films: an Azurite with the page blob `films`, and a fresh card for $BOARD with the words for its kernel.
card_of_films() {
    azurite_start
    blob_create films 64M
    card_new "$BOARD"
    card_options "$FOR_TESTS"
}

# card_claimable: to be called before card_configure. The configuration has a page without TLS, $PAGE_PORT here, and the card a code,
# ABCD-EFGH.
card_claimable() {
    free_port PAGE_PORT
    # shellcheck disable=SC2034 # board.sh reads it
    BOARD_FORWARD=$PAGE_PORT-:80
    echo ABCD-EFGH >"$WORK/claim-code.txt"
    card_put "$WORK/claim-code.txt" claim-code.txt
}

# card_configure: a configuration with two LUNs, the page blob `films` and the image `local` on the card, with its secrets
# and what the host's side needs, is put on the card.
card_configure() {
    {
        [[ -z ${PAGE_PORT:-} ]] || PAGE_PORT=80 toml_page
        toml_blobs films
        toml_files local
        toml_luns films local | sed 's/^\[gadget\]$/&\nudc = "dummy_udc.0"/'
    } >"$WORK/gadget-manager.toml"
    azurite_secrets cloud >"$WORK/secrets.toml"
    card_put "$WORK/gadget-manager.toml" gadget-manager.toml
    card_put "$WORK/secrets.toml" secrets.toml
    card_put "$REPOSITORY/ci/image/host.sh" host.sh
}

# page_open: until the page answers to anybody.
page_open() { wait_until "$BOARD_PATIENCE" 'the page to be open' phone GET /hello >/dev/null; }

# page_up: until the page answers, to the phone that is signed in.
page_up() { wait_until "$BOARD_PATIENCE" 'the page to answer' phone GET /device >/dev/null; }

# host_ready: the board's shell, which is the host's too, knows the words of host.sh.
host_ready() { board_script 'mkdir -p /tmp/c && mount -t vfat -o ro /dev/mmcblk0p1 /tmp/c && . /tmp/c/host.sh; umount /tmp/c'; }

# expect_own_tree: the kernel has this board's device tree, not that of the board whose U-Boot it starts with.
expect_own_tree() {
    MTOOLS_SKIP_CHECK=1 mcopy -n -o -i "$CARD@@$((SLOT_A_START * 512))" "::$BOARD_DTB" "$WORK/dtb"
    expect_equal 'its own device tree' "$(fdtget "$WORK/dtb" / model)" "$(board_script 'tr -d "\0" </proc/device-tree/model; echo')"
}

# slot_root_in SLOT FOLDER: unpacks the root file system of a slot (as mtools name a file system).
slot_root_in() {
    MTOOLS_SKIP_CHECK=1 mcopy -n -o -i "$1" ::root.squashfs "$WORK/root.squashfs"
    unsquashfs -q -n -d "$2" "$WORK/root.squashfs" >/dev/null
    rm "$WORK/root.squashfs"
}

# slot_root_out SLOT FOLDER LEVEL: packs it again, with sums.
slot_root_out() {
    mksquashfs "$2" "$WORK/root.squashfs" -quiet -no-progress -all-root -comp zstd -Xcompression-level "$3" -b 128K >/dev/null
    verity_seal "$WORK/root.squashfs" "$WORK/root.verity"
    MTOOLS_SKIP_CHECK=1 mcopy -o -i "$1" "$WORK/root.squashfs" "$WORK/root.verity" ::
    rm -rf "$WORK/root.squashfs" "$2"
}

# flushed LUN: the last block of which the host told that it is flushed; -1 if there is none.
flushed() { sed -nE "s/.*flushed $1 ([0-9]+).*/\1/p" "$WORK/consoles.log" "$VM/console.log" 2>/dev/null | tail -n 1 | grep . || echo -1; }

# random BELOW: a whole number.
random() { echo $(((RANDOM * 32768 + RANDOM) % $1)); }

# figures: what the board needs.
figures() {
    board_script 'awk "/MemTotal/ { t = \$2 } /MemAvailable/ { a = \$2 } END { printf \"memory in use: %.1f of %.1f MiB\n\", (t - a) / 1024, t / 1024 }" /proc/meminfo' >&2
    board_script 'sed -n "s/^VmRSS:[^0-9]*/gadget-manager resident: /p" /proc/$(cat /run/service/gadget-manager.pid)/status' >&2
}
