# shellcheck shell=bash
# What U-Boot does with the boot state, without a system: it counts before it starts a slot on trial, goes to the other one when there is
# nothing left to count, and a torn sector, or both, keep it from nothing. Kernels are no kernels here, so that it goes through all that
# it would start.

# state_write WORDS...: into both sectors, in the form that U-Boot knows (env import -c).
state_write() {
    python3 - "$CARD" "$BOOT_STATE_1" "$BOOT_STATE_2" "$@" <<'PYTHON'
import sys, zlib
card, first, second, *words = sys.argv[1:]
text = b"".join(word.encode() + b"\0" for word in words).ljust(508, b"\0")
with open(card, "r+b") as file:
    for sector in first, second:
        file.seek(int(sector) * 512)
        file.write(zlib.crc32(text).to_bytes(4, "little") + text)
PYTHON
}

# state_words SECTOR: those of it, or `torn`.
state_words() {
    python3 - "$CARD" "$1" <<'PYTHON'
import sys, zlib
with open(sys.argv[1], "rb") as file:
    file.seek(int(sys.argv[2]) * 512)
    sector = file.read(512)
whole = zlib.crc32(sector[4:]) == int.from_bytes(sector[:4], "little")
print(sector[4:].rstrip(b"\0").replace(b"\0", b" ").decode() if whole else "torn")
PYTHON
}

tear() { head -c 512 /dev/urandom | dd of="$CARD" bs=512 seek="$1" conv=notrunc status=none; }

# slots_started: the letters of the slots that U-Boot tried to start, in their order. Kernels have different lengths.
slots_started() { tr -d '\r' <"$VM/console.log" | sed -nE 's/^(111|222) bytes read.*/\1/p' | tr '12' 'ab' | cut -c1 | tr -d '\n'; }

# goes_through WHAT SLOTS WORDS: U-Boot starts these slots one after the other, and leaves these words in both sectors.
goes_through() {
    step "$1"
    board_start
    console_wait 'U-Boot to give up' 'resetting'
    board_kill
    expect_equal 'the slots that it starts' "$2" "$(slots_started)"
    for sector in "$BOOT_STATE_1" "$BOOT_STATE_2"; do expect_equal "the words in sector $sector" "$3" "$(state_words "$sector")"; done
}

card_new "$BOARD"
for slot in a b; do
    cp --sparse=always "$IMAGES/slot.fat" "$WORK/slot.fat"
    truncate -s $((SLOT_SIZE * 512)) "$WORK/slot.fat"
    if [[ $slot = a ]]; then length=111 start=$SLOT_A_START; else length=222 start=$SLOT_B_START; fi
    head -c $length /dev/zero >"$WORK/vmlinuz"
    MTOOLS_SKIP_CHECK=1 mcopy -o -i "$WORK/slot.fat" "$WORK/vmlinuz" ::vmlinuz
    dd if="$WORK/slot.fat" of="$CARD" bs=512 seek="$start" conv=notrunc,sparse status=none
done

goes_through 'a card that was never updated' aab torn
state_write slot=b
goes_through 'slot B is confirmed' bab 'slot=b'
state_write slot=b trial=a tries=3
goes_through 'slot A is tried' abab 'slot=b trial=a tries=2'
state_write slot=b trial=a tries=1
goes_through 'for the last time' abab 'slot=b trial=a tries=0'
goes_through 'not again' bab 'slot=b trial=a tries=0'
state_write slot=a trial=b tries=3
tear "$BOOT_STATE_1"
goes_through 'the first sector is torn' baab 'slot=a trial=b tries=2'
state_write slot=a trial=b tries=3
tear "$BOOT_STATE_2"
goes_through 'the second sector is torn' baab 'slot=a trial=b tries=2'
tear "$BOOT_STATE_1"
tear "$BOOT_STATE_2"
goes_through 'both are torn' aab torn
