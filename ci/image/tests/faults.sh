# shellcheck shell=bash
# Faults that no part of the system can help: a card that changed a bit of the root file system gives an error instead of it, a
# system that hangs is restarted by the hardware watchdog, and the system in the other slot takes over from one that the card has lost.

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
# What an update that works leaves behind.
expect 'an update is remembered' board_script 'echo "{\"version\":\"9.9.9\",\"channel\":\"release\",\"slot\":\"a\",\"time\":\"2026-01-01T00:00:00Z\",\"outcome\":\"confirmed\"}" >/var/lib/cloud-stick/update.json && sync'
# shellcheck disable=SC2016 # for the board's shell
board_send 'kill -STOP $(pidof watchdog)'
# QEMU ends there.
board_resets 'the watchdog to restart the board'

step 'the card has lost the system; the one of before is in the other slot'
dd if="$IMAGES/slot.fat" of="$CARD" bs=512 seek="$SLOT_B_START" conv=notrunc,sparse status=none
head -c 512 /dev/zero | dd of="$WORK/root.squashfs" conv=notrunc status=none
MTOOLS_SKIP_CHECK=1 mcopy -o -i "$slot" "$WORK/root.squashfs" ::
board_start
board_resets 'the board to restart'
expect 'it says why' console_has 'slot a is damaged; slot b is tried'
board_start
board_up
host_ready
expect 'the other one runs' board_script 'grep cloud_stick.slot=b /proc/cmdline'
board_script 'wait_disk 0'
expect 'the stick is back, with what was on it' board_script 'check_blocks 0 0 3'
expect 'the owner hears of it' board_script 'until grep "version 9.9.9 did not work, .* the card has lost a part of it" /var/lib/cloud-stick/events; do sleep 1; done'
board_kill
expect_equal 'it is the one that starts' 'slot=b' "$(dd if="$CARD" bs=4 skip=$((BOOT_STATE_1 * 128 + 1)) count=127 status=none | tr -d '\0')"
