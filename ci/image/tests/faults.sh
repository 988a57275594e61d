# shellcheck shell=bash
# Faults that no part of the system can help: a card that changed a bit of the root file system gives an error instead of it, and a
# system that hangs is restarted by the hardware watchdog.

# forget_a_bit FILE NOISE: in a file system, in the middle of a file of noise, which is in there as it is.
forget_a_bit() {
    python3 - "$@" <<'PYTHON'
import sys
with open(sys.argv[1], "r+b") as system, open(sys.argv[2], "rb") as noise:
    content, piece = system.read(), noise.read()
    at = content.index(piece[: 64 << 10]) + (32 << 10)
    system.seek(at)
    system.write(bytes([content[at] ^ 1]))
PYTHON
}

card_of_films
slot=$CARD@@$((SLOT_A_START * 512))
slot_root_in "$slot" "$WORK/root"
for noise in whole broken; do head -c 1M /dev/urandom >"$WORK/root/usr/lib/$noise"; done
cp "$WORK/root/usr/lib/broken" "$WORK/noise"
slot_root_out "$slot" "$WORK/root" 3
MTOOLS_SKIP_CHECK=1 mcopy -n -o -i "$slot" ::root.squashfs "$WORK/root.squashfs"
forget_a_bit "$WORK/root.squashfs" "$WORK/noise"
MTOOLS_SKIP_CHECK=1 mcopy -o -i "$slot" "$WORK/root.squashfs" ::
card_configure
board_start
board_up
host_ready
board_script 'wait_disk 0'
expect 'the stick is written' board_script 'write_blocks 0 0 3'

step 'one bit of the card is another'
expect 'what is whole is read' board_script 'cat /usr/lib/whole >/dev/null'
expect_not 'what is broken gives an error' board_script 'cat /usr/lib/broken >/dev/null'
expect 'the kernel says why' board_script 'dmesg | grep "data block .* is corrupted"'
expect 'the owner hears of it' board_script 'until grep "the card has lost a part of the system" /run/cloud-stick/events; do sleep 1; done'

step 'nobody feeds the watchdog'
# shellcheck disable=SC2016 # for the board's shell
board_send 'kill -STOP $(pidof watchdog)'
# QEMU ends there.
board_resets 'the watchdog to restart the board'
board_start
board_up
host_ready
board_script 'wait_disk 0'
expect 'the stick is back, with what was on it' board_script 'check_blocks 0 0 3'
