# shellcheck shell=bash
# scripts/flash: what it refuses to write to, that it notices damage, and what is on the card afterwards. Disks are told of by
# a made-up tree of /sys, the card is a file.

IMAGE_FILE=$IMAGES/cloud-stick-$BOARD.img.zst

# disk NAME REMOVABLE SECTORS [PART...]: one in the made-up tree.
disk() {
    local folder=$WORK/sys/block/$1 number=${#1} part
    rm -rf "$WORK/sys" && mkdir -p "$folder/device" "$folder/holders"
    echo "$2" >"$folder/removable" && echo "$3" >"$folder/size" && echo 0 >"$folder/ro" && echo "8:$number" >"$folder/dev"
    for part in "${@:4}"; do mkdir -p "$folder/$part/holders" && echo "8:$((++number))" >"$folder/$part/dev"; done
    : >"$WORK/mounts"
    printf 'Filename Type Size Used Priority\n' >"$WORK/swaps"
}

# refused WHY WORDS: of that disk, for this reason.
refused() {
    local out
    out=$(SYSFS=$WORK/sys MOUNTS=$WORK/mounts SWAPS=$WORK/swaps "$REPOSITORY/scripts/flash" --yes "$IMAGE_FILE" /dev/sdx 2>&1) &&
        die "expected: refused, because $1"
    expect_match "refused, because $1" "$out" "$2"
}

step 'what it refuses'
disk sdx 0 60000000
refused 'it is not removable' 'not removable'
disk sdx 1 60000000 sdx1
echo "30 1 8:4 / /media/photos rw - vfat /dev/sdx1 rw" >"$WORK/mounts"
refused 'a part of it is mounted' 'sdx1 is mounted at /media/photos'
disk sdx 1 60000000
echo "30 1 8:3 / /media/photos rw - vfat /dev/sdx rw" >"$WORK/mounts"
refused 'it is mounted as a whole' 'sdx is mounted at /media/photos'
disk sdx 1 60000000 sdx1
echo '/dev/sdx1 partition 1 0 -2' >>"$WORK/swaps"
refused 'it is swapped to' 'used as swap'
disk sdx 1 60000000 sdx1
mkdir "$WORK/sys/block/sdx/sdx1/holders/dm-0"
refused 'it is under another device' 'in use by dm-0'
disk sdx 1 60000000
echo 1 >"$WORK/sys/block/sdx/ro"
refused 'it is write-protected' 'write-protected'
disk sdx 1 600000
refused 'it is too small' 'too small'
disk sdy 1 60000000
refused 'it is a part, or not there' 'a part of a disk'
# All of that is well with this one, but there is no such device, which is noticed when it is opened.
disk sdx 1 60000000
refused 'it cannot be opened' 'No such file or directory'

step 'a card'
# Old content must not matter: noise where something is to be, and where nothing is.
head -c 400M /dev/urandom >"$WORK/card"
echo 'level = "x"' >"$WORK/new.toml"
"$REPOSITORY/scripts/flash" --yes --config "$WORK/new.toml" "$IMAGE_FILE" "$WORK/card" >"$WORK/said"
CARD=$WORK/card
code=$(sed -n 's/^Claim code: *//p' "$WORK/said")
expect_match 'a claim code' "$code" '^[2-9A-HJKMNP-TV-Z]{4}-[2-9A-HJKMNP-TV-Z]{4}$'
card_get claim-code.txt "$WORK/code"
expect_equal 'the same on the card' "$code" "$(cat "$WORK/code")"
card_get gadget-manager.toml "$WORK/got.toml"
expect 'the configuration is on it' cmp "$WORK/new.toml" "$WORK/got.toml"
zstd -q -f -d "$IMAGE_FILE" -o "$WORK/image"
expect 'U-Boot is on it' cmp -n $((512 << 10)) -i 8192 "$WORK/image" "$CARD"
expect 'slot A is on it' cmp -n $(($(stat -c %s "$WORK/image") - SLOT_A_START * 512)) -i $((SLOT_A_START * 512)) "$WORK/image" "$CARD"
dd if="$CARD" of="$WORK/fat" bs=512 skip=$CONFIGURATION_START count=$CONFIGURATION_SIZE status=none
expect 'its FAT is sound, whatever was there before' fat_check "$WORK/fat"
"$REPOSITORY/scripts/flash" --yes "$IMAGE_FILE" "$WORK/card" >"$WORK/said"
expect_not 'another card has another code' grep -q "$code" "$WORK/said"

step 'damage'
for name in img.zst bmap; do cp "${IMAGE_FILE%img.zst}$name" "$WORK/bad.$name"; done
sed -i 's/4096/4097/' "$WORK/bad.bmap"
out=$("$REPOSITORY/scripts/flash" --yes "$WORK/bad.img.zst" "$WORK/card" 2>&1) && die 'expected: a damaged map is refused'
expect_match 'a damaged map is told of' "$out" 'block map .* is damaged'
cp "${IMAGE_FILE%img.zst}bmap" "$WORK/bad.bmap"
# Another image, well compressed.
printf x | dd of="$WORK/image" bs=1 seek=$((SLOT_A_START * 512 + 5000000)) conv=notrunc status=none
zstd -q -f -1 "$WORK/image" -o "$WORK/bad.img.zst"
out=$("$REPOSITORY/scripts/flash" --yes "$WORK/bad.img.zst" "$WORK/card" 2>&1) && die 'expected: another image is refused'
expect_match 'an image that is not the map'"'"'s is told of' "$out" 'not the one of its block map'
