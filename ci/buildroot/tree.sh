# shellcheck shell=bash
# What can be said of the external tree alone. Each check prints what is wrong.

# pin NAME: the value of BR2_NAME_CUSTOM_VERSION_VALUE.
pin() { sed -nE "s/^BR2_$1_CUSTOM_VERSION_VALUE=\"(.*)\"/\1/p" "$TREE/defconfig"; }

configs_are_current() {
    "$TREE/write-configs" "$WORK/configs"
    diff -r "$WORK/configs" "$IMAGE/configs" >"$WORK/configs.diff" ||
        echo "image/configs is not what image/buildroot/write-configs writes: $(grep -m 1 '^[<>O]' "$WORK/configs.diff")"
}

# Of the configurations, and what Buildroot reads of every external tree.
paths_exist() {
    local path
    for path in external.desc external.mk Config.in; do [[ -s $IMAGE/$path ]] || echo "image/$path is missing"; done
    grep -ohE '\$\(BR2_EXTERNAL_CLOUD_STICK_PATH\)[^ "]*' "$IMAGE"/configs/*_defconfig | sort -u | while IFS= read -r path; do
        path=$IMAGE${path#*)}
        [[ -e $path ]] || echo "the configurations name $path, which does not exist"
        [[ $path != */post-* || -x $path ]] || echo "$path cannot be executed"
    done
    grep -ohE '\$BR2_EXTERNAL_CLOUD_STICK_PATH[^"]*' "$IMAGE/Config.in" | while IFS= read -r path; do
        [[ -e $IMAGE${path#*PATH} ]] || echo "Config.in names $path, which does not exist"
    done
    grep -qx 'name: CLOUD_STICK' "$IMAGE/external.desc" || echo 'external.desc has another name than the variables'
    [[ -x $IMAGE/package/gadget-manager/is-for-boards ]] || echo 'package/gadget-manager/is-for-boards cannot be executed'
}

pins_have_hashes() {
    local linux uboot
    linux=linux-$(pin LINUX_KERNEL).tar.xz uboot=u-boot-$(pin TARGET_UBOOT).tar.bz2
    has_hash linux "$linux"
    has_hash linux-headers "$linux"
    has_hash uboot "$uboot"
    grep -qx 'BR2_DOWNLOAD_FORCE_CHECK_HASHES=y' "$TREE/defconfig" || echo 'downloads without a checksum are not refused'
    # A package of ours that is fetched from somewhere would need one as well.
    grep -HE '_SITE_METHOD *=' "$IMAGE"/package/*/*.mk | grep -vE '= *local$' | sed 's/$/: a remote source/' || true
}

# has_hash PACKAGE FILE
has_hash() {
    grep -qxE "sha256  [0-9a-f]{64}  ${2//./\\.}" "$TREE/patches/$1/$1.hash" ||
        echo "image/buildroot/patches/$1/$1.hash has no SHA-256 of $2"
}

# The first is a real program of another kind, the others are no more than their heads.
programs_are_told_apart() {
    local check=$IMAGE/package/gadget-manager/is-for-boards interpreter=/lib/ld-linux-armhf.so.3
    echo text >"$WORK/text"
    elf 01 28 "$interpreter" >"$WORK/arm"
    elf 02 b7 /lib/ld-linux-aarch64.so.1 >"$WORK/arm64"
    elf 01 28 /lib/ld-linux.so.3 >"$WORK/soft"
    elf 01 28 '' >"$WORK/static"
    "$check" "$WORK/arm" 2>&1 || true
    "$check" --static "$WORK/static" 2>&1 || true
    ! "$check" --static "$WORK/arm" 2>/dev/null || echo 'a program with an interpreter was taken for a static one'
    for file in "$(type -P bash)" "$WORK/text" "$WORK/arm64" "$WORK/soft" "$WORK/none"; do
        ! "$check" "$file" 2>/dev/null || echo "$file was taken for a program for the boards"
    done
}

# elf CLASS MACHINE INTERPRETER: the head of an ELF, little endian, with the flag for hard float.
elf() { printf "\\x7fELF\\x$1\\x01\\x01%9s\\x02\\x00\\x$2\\x00%17s\\x04%26s$3\\x00" '' '' '' | tr ' ' '\0'; }

# Stubs for what Buildroot builds; the FAT partition and the slot are file systems like those of a card.
card_is_as_laid_out() {
    local stubs=$WORK/stubs folder=$WORK/folder
    mkdir -p "$stubs" "$folder"
    # As long as U-Boot may be.
    head -c $((CONFIGURATION_START * 512 - UBOOT_OFFSET)) /dev/zero | tr '\0' U >"$stubs/u-boot-sunxi-with-spl.bin"
    echo 'a file' >"$folder/file"
    fat_make "$stubs/card.fat" $CONFIGURATION_SIZE ca4dc0de $CARD_LABEL "$folder"
    fat_make "$stubs/slot.fat" $SLOT_SIZE 5107a000 SLOT "$folder"
    genimage_card "$stubs" || { echo 'genimage failed' && return; }
    rm -f "$WORK/wanted" && truncate -s $(((DATA_START + DATA_SIZE) * 512)) "$WORK/wanted"
    partition_table | PATH=$PATH:/usr/sbin sfdisk --quiet --no-reread --no-tell-kernel "$WORK/wanted"
    table_of "$WORK/wanted" >"$WORK/wanted.table"
    table_of "$stubs/card.img" >"$WORK/card.table"
    diff "$WORK/wanted.table" "$WORK/card.table" | sed -n "s/^[<>]/the partition table (< as image\/layout.sh has it): &/p" || true
    at "$stubs/u-boot-sunxi-with-spl.bin" "$UBOOT_OFFSET"
    at "$stubs/card.fat" $((CONFIGURATION_START * 512))
    mdir -b -i "$stubs/card.img@@$((SLOT_A_START * 512))" ::file >/dev/null 2>&1 || echo 'slot A does not have the file that was put there'
    [[ $(($(stat -c %s "$stubs/card.img") % 4096)) -eq 0 ]] || echo 'the image is not of whole blocks of 4 KiB'
}

# table_of IMAGE: its partition table, of a card that is as large as it says.
table_of() {
    dd if="$1" of="$WORK/head" bs=512 count=1 status=none
    truncate -s $(((DATA_START + DATA_SIZE) * 512)) "$WORK/head"
    # How sfdisk would place further partitions is no part of the table.
    PATH=$PATH:/usr/sbin sfdisk --dump "$WORK/head" | tr -d ' ' | grep -v '^grain:'
}

# at FILE OFFSET: the card has the file there.
at() { cmp -n "$(stat -c %s "$1")" -i "0:$2" "$1" "$WORK/stubs/card.img" 2>&1 || true; }
