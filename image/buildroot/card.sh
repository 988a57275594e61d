# shellcheck shell=bash
# The card by genimage. Those who source this have sourced image/lib/partitions.sh.

# genimage_config: image/buildroot/genimage.cfg with the numbers of image/layout.sh, in bytes.
genimage_config() {
    local name script=()
    for name in CONFIGURATION_START CONFIGURATION_SIZE SLOT_SIZE SLOT_A_START SLOT_B_START DATA_START DATA_SIZE; do
        script+=(-e "s|@$name@|$((${!name} * 512))|")
    done
    for name in CARD_SIGNATURE UBOOT_OFFSET TYPE_CONFIGURATION TYPE_SLOT TYPE_DATA_NEW; do
        script+=(-e "s|@$name@|${!name}|")
    done
    sed "${script[@]}" "$IMAGE/buildroot/genimage.cfg"
}

# genimage_card FOLDER: FOLDER/card.img out of u-boot-sunxi-with-spl.bin, card.fat and slot.fat there, up to the last byte of
# slot A that is used, as image_make does it.
genimage_card() {
    local work
    work=$(mktemp -d "${TMPDIR:-/tmp}/genimage.XXXXXX")
    mkdir "$work/root"
    genimage_config >"$work/genimage.cfg"
    genimage --config "$work/genimage.cfg" --rootpath "$work/root" --tmppath "$work/tmp" --inputpath "$1" --outputpath "$1" \
        >"$work/log" 2>&1 || die 'genimage could not make the card' "$(tail -n 10 "$work/log")"
    rm -rf "$work"
    truncate -s $((SLOT_A_START * 512 + $(used_bytes "$1/slot.fat"))) "$1/card.img"
}
