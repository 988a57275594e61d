# shellcheck shell=bash
# The symbols that the tree asks for, and those of them that were seen in the sources that know them (image/buildroot/symbols):
# lines "KIND SYMBOL", after lines "# KIND VERSION", which say what was looked at. Lines "absent NAME" are what Buildroot leaves out of busybox.

SYMBOLS=$IMAGE/buildroot/symbols

symbols_used() {
    {
        symbols "$TREE/defconfig" | sed 's/^/buildroot /'
        symbols "$TREE/kernel.fragment" | sed 's/^/linux /'
        symbols "$TREE/uboot.fragment" | sed 's/^/uboot /'
        symbols "$TREE/busybox.fragment" | sed 's/^/busybox /'
    } | LC_ALL=C sort -u
}

symbols_listed() { sed '/^#/d; /^absent /d' "$SYMBOLS" | LC_ALL=C sort -u; }

# symbols_seen KIND: the version that they were seen in.
symbols_seen() { sed -n "s/^# $1 //p" "$SYMBOLS"; }

symbols_are_known() {
    local version
    [[ $(symbols_seen buildroot) = "$(cat "$TREE/version")" ]] ||
        echo "symbols were last seen in Buildroot $(symbols_seen buildroot), not $(cat "$TREE/version"): BUILDROOT=... ci/buildroot-check --record"
    [[ $(symbols_seen uboot) = "$(pin TARGET_UBOOT)" ]] ||
        echo "symbols were last seen in U-Boot $(symbols_seen uboot), not $(pin TARGET_UBOOT): UBOOT=... ci/buildroot-check --record"
    # Options do not come or go within a stable series.
    version=$(pin LINUX_KERNEL)
    [[ $(symbols_seen linux) = "${version%.*}".* ]] ||
        echo "symbols were last seen in Linux $(symbols_seen linux), not ${version%.*}: KERNEL=... ci/buildroot-check --record"
    LC_ALL=C comm -23 <(symbols_used) <(symbols_listed) | sed 's/$/: asked for, and never seen in what knows it/'
    LC_ALL=C comm -13 <(symbols_used) <(symbols_listed) | sed 's/$/: in image\/buildroot\/symbols, and not asked for/'
}

# busybox_lacks: the programs that Buildroot's own configuration of busybox does not have, by the names of their options.
busybox_lacks() {
    sed -nE 's/^# CONFIG_([A-Z0-9_]+) is not set/\1/p' "$BUILDROOT/package/busybox/busybox.config" | sed '/^FEATURE_/d' | tr '[:upper:]' '[:lower:]' | LC_ALL=C sort
}

# Words of the image's scripts that are such programs, and which the fragment says nothing about. dd's conv=fsync is no call.
programs_are_there() {
    local absent
    absent=$(sed -n 's/^absent //p' "$SYMBOLS")
    [[ -n $absent ]] || echo "no list of what busybox lacks: BUILDROOT=... ci/buildroot-check --record"
    grep -rhvE '^[[:space:]]*#' "$REPOSITORY/rootfs-overlay" "$IMAGE/initramfs/init" | sed 's/conv=[a-z,]*//' | grep -oE '[a-z0-9_]+' | LC_ALL=C sort -u |
        LC_ALL=C comm -12 - <(echo "$absent") |
        LC_ALL=C comm -23 - <(symbols "$TREE/busybox.fragment" | sed 's/^CONFIG_//' | tr '[:upper:]' '[:lower:]' | LC_ALL=C sort) |
        sed 's/$/: called by a script of the image, and not in busybox: see image\/buildroot\/busybox.fragment/'
}

# undeclared FILE DECLARED: the symbols that a configuration asks for or does without, and that no line "config NAME" of DECLARED is about.
# "Not set" is true of a misspelt symbol as well.
undeclared() { LC_ALL=C comm -23 <(symbols "$1" | sed 's/^CONFIG_//' | LC_ALL=C sort -u) <(LC_ALL=C sort -u "$2") | sed 's/$/: there is no such symbol/'; }

# declarations FOLDER NAME...: the symbols that files of these names declare.
declarations() {
    local folder=$1 names=() name
    shift
    for name in "$@"; do names+=(--include="$name"); done
    grep -rhoE "${names[@]}" '^[[:space:]]*(menu)?config [A-Za-z0-9_]+' "$folder" | sed -E 's/.*config //'
}

# symbols_record WRONG: those that were just resolved, with so many things wrong: none, or nothing is written down.
symbols_record() {
    [[ -n ${BUILDROOT:-} && -n ${KERNEL:-} && -n ${UBOOT:-} ]] || die '--record wants BUILDROOT, KERNEL and UBOOT' 'Nothing is written down that was not looked at.'
    [[ $1 -eq 0 ]] || die 'nothing is written down while something is wrong'
    {
        echo "# buildroot $(buildroot_version)"
        echo "# busybox $(sed -n 's/^BUSYBOX_VERSION = //p' "$BUILDROOT/package/busybox/busybox.mk")"
        echo "# linux $(tree_version "$KERNEL")"
        echo "# uboot $(tree_version "$UBOOT")"
        symbols_used
        busybox_lacks | sed 's/^/absent /'
    } >"$SYMBOLS"
    say "written: $SYMBOLS"
}
