# shellcheck shell=bash
# Configurations as Kconfig resolves them, with a checkout of Buildroot and source trees of Linux and U-Boot.

resolve_buildroot() {
    local board
    buildroot_checkout
    host_install make gcc g++ patch perl rsync wget bc unzip bzip2 file cpio
    say "Buildroot $(buildroot_version) in $BUILDROOT"
    for board in $(boards); do step "$board: nothing that its configuration asks for is dropped" resolve_board "$board"; done
    step 'Buildroot declares every symbol' declared_by_buildroot
    step 'every package that is fetched has checksums' downloads_have_hashes
    step 'busybox knows every option of its fragment' busybox_knows
}

# resolve_board BOARD: in a folder of its own.
resolve_board() {
    local out=$WORK/$1
    mkdir -p "$out"
    buildroot_run "$out" "$1_defconfig" >"$out/log" 2>&1 || { tail -n 5 "$out/log" && return; }
    dropped "$IMAGE/configs/$1_defconfig" "$out/.config"
    # The shortest form says nothing else than what was asked for.
    buildroot_run "$out" BR2_DEFCONFIG="$out/defconfig" savedefconfig >"$out/log" 2>&1 || tail -n 5 "$out/log"
    LC_ALL=C comm -13 <(requests "$IMAGE/configs/$1_defconfig" | LC_ALL=C sort) <(requests "$out/defconfig" | LC_ALL=C sort) |
        sed "s/^/$1: resolved to something that was not asked for: /"
}

declared_by_buildroot() {
    { declarations "$BUILDROOT" 'Config.in*' && declarations "$IMAGE" 'Config.in*'; } >"$WORK/declared"
    undeclared "$TREE/defconfig" "$WORK/declared"
}

# All boards have the same packages: the last one's.
downloads_have_hashes() {
    buildroot_run "$(ls -d "$WORK"/*/.config | tail -n 1 | xargs dirname)" --silent show-info >"$WORK/show-info.json" 2>"$WORK/show-info.log" ||
        { tail -n 5 "$WORK/show-info.log" && return; }
    python3 - "$WORK/show-info.json" "$BUILDROOT" <<'PYTHON'
import json, pathlib, sys
packages = json.load(open(sys.argv[1]))
for name, package in sorted(packages.items()):
    for download in package.get("downloads", []):
        if any(uri.startswith("local+") for uri in download["uris"]):
            continue
        words = [line.split() for file in package["hashes"] for line in (pathlib.Path(sys.argv[2]) / file).read_text().splitlines()]
        if not any(len(line) == 3 and line[0] in ("sha256", "sha384", "sha512") and line[2] == download["source"] for line in words):
            print(f"{name}: no checksum of {download['source']}")
PYTHON
}

busybox_knows() {
    local symbol
    for symbol in $(symbols "$TREE/busybox.fragment"); do
        grep -qE "^(# )?${symbol}[= ]" "$BUILDROOT/package/busybox/busybox.config" || echo "busybox has no $symbol"
    done
}

# tree_version TREE: of Linux or U-Boot, from its Makefile.
tree_version() { sed -nE '1,6s/^(VERSION|PATCHLEVEL|SUBLEVEL) = ?([0-9]+)$/\2/p' "$1/Makefile" | paste -sd.; }

resolve_kernel() {
    [[ -e $KERNEL/Kconfig && -e $KERNEL/scripts/kconfig/merge_config.sh ]] || die "$KERNEL is no source tree of Linux"
    # Options depend on what the compiler can do.
    host_install make gcc flex bison bc gcc-arm-linux-gnueabihf libc6-dev
    KERNEL=$(cd "$KERNEL" && pwd)
    say "Linux $(tree_version "$KERNEL") in $KERNEL"
    step 'the kernel: nothing that its fragment asks for is dropped' resolve_fragment
    step 'the kernel declares every symbol' declared_by_kernel
    step 'the kernel has the device trees of all boards' trees_exist
}

resolve_fragment() {
    merged "$KERNEL" "$(sed -n 's/^BR2_LINUX_KERNEL_DEFCONFIG="\(.*\)"/\1/p' "$TREE/defconfig")" "$TREE/kernel.fragment" "$WORK/kernel"
}

# merged TREE DEFCONFIG FRAGMENT FOLDER: as Buildroot does it: the defconfig of the tree, the fragment over it, what follows from both.
merged() {
    local make=(make -s -C "$1" O="$4" ARCH=arm CROSS_COMPILE=arm-linux-gnueabihf-)
    mkdir -p "$4"
    {
        "${make[@]}" "$2_defconfig" &&
            (cd "$4" && "$1/scripts/kconfig/merge_config.sh" -m .config "$3") &&
            "${make[@]}" olddefconfig
    } >"$4/log" 2>&1 || { tail -n 5 "$4/log" && return; }
    dropped "$3" "$4/.config"
}

declared_by_kernel() {
    declarations "$KERNEL" 'Kconfig*' >"$WORK/declared"
    undeclared "$TREE/kernel.fragment" "$WORK/declared"
}

trees_exist() {
    local board
    for board in $(boards); do
        (board_load "$board" && [[ -e $KERNEL/arch/arm/boot/dts/allwinner/${BOARD_DTB%.dtb}.dts ]]) || echo "no device tree for $board"
    done
}

resolve_uboot() {
    local board
    [[ -e $UBOOT/Kconfig && -e $UBOOT/scripts/kconfig/merge_config.sh ]] || die "$UBOOT is no source tree of U-Boot"
    host_install make gcc flex bison bc gcc-arm-linux-gnueabihf libc6-dev
    UBOOT=$(cd "$UBOOT" && pwd)
    say "U-Boot $(tree_version "$UBOOT") in $UBOOT"
    [[ $(tree_version "$UBOOT") = "$(pin TARGET_UBOOT)" ]] || found "$UBOOT is U-Boot $(tree_version "$UBOOT"), not $(pin TARGET_UBOOT)"
    for board in $(boards); do step "$board: U-Boot has its defconfig, and drops nothing of the fragment" resolve_uboot_of "$board"; done
}

resolve_uboot_of() { board_load "$1" && merged "$UBOOT" "$BOARD_UBOOT_CONFIG" "$TREE/uboot.fragment" "$WORK/uboot-$1"; }
