# shellcheck shell=bash
# An image by Buildroot, of which a checkout is passed in: BUILDROOT.

# buildroot_checkout: BUILDROOT is a checkout of the version that image/ is written for.
buildroot_checkout() {
    local wanted found
    wanted=$(cat "$IMAGE/buildroot/version")
    [[ -n ${BUILDROOT:-} ]] || die 'where is Buildroot?' \
        "git clone --depth 1 --branch $wanted https://gitlab.com/buildroot.org/buildroot.git, or unpack its tarball of $wanted;" \
        "then name the folder: BUILDROOT=FOLDER ${0##*/} ..."
    [[ -e $BUILDROOT/Makefile && -e $BUILDROOT/Config.in ]] || die "$BUILDROOT is no checkout of Buildroot"
    found=$(buildroot_version)
    [[ $found = "$wanted" ]] || die "$BUILDROOT is Buildroot $found, and this is written for $wanted" \
        "git -C $BUILDROOT checkout $wanted; or write that version into image/buildroot/version and see what ci/buildroot-check says."
    BUILDROOT=$(cd "$BUILDROOT" && pwd)
}

buildroot_version() { sed -nE 's/^export BR2_VERSION := //p' "$BUILDROOT/Makefile"; }

# buildroot_tools: what Buildroot itself wants of the machine, and what looks at its images.
buildroot_tools() {
    image_tools
    host_install make gcc g++ patch perl file rsync wget bc unzip bzip2 cpio sed tar diffutils findutils
}

# buildroot_run FOLDER WORD...: make in an output folder.
buildroot_run() {
    local folder=$1
    shift
    # Buildroot refuses a path with the current folder in it, and takes CARGO's and others' settings for its own.
    env -u CC -u CFLAGS -u LDFLAGS -u MAKEFLAGS BR2_DL_DIR="$CACHE/image/buildroot-downloads" GADGET_MANAGER_FOLDER="$folder/program" \
        make --no-print-directory -C "$BUILDROOT" O="$folder" BR2_EXTERNAL="$IMAGE" "$@"
}

# buildroot_prepare PROGRAM: sets BUILDROOT_OUTPUT, the output folder for all boards: their configurations differ in U-Boot alone, so that
# the toolchain, the kernel and the root file system are built once. Another recipe has another folder.
buildroot_prepare() {
    local recipe lock
    recipe=$(cd "$IMAGE" && cat buildroot/{version,defconfig,*.fragment} buildroot/patches/*/* external.mk Config.in package/*/*.mk | sha256sum)
    BUILDROOT_OUTPUT=$CACHE/image/buildroot-${recipe:0:16}
    mkdir -p "$BUILDROOT_OUTPUT/program"
    exec {lock}>"$BUILDROOT_OUTPUT/lock"
    flock --nonblock "$lock" || die "another run builds in $BUILDROOT_OUTPUT" 'Wait for it.'
    install -m 755 "$1" "$BUILDROOT_OUTPUT/program/gadget-manager"
    install -m 755 "${1%/*}/verity-open" "$BUILDROOT_OUTPUT/program/verity-open"
    cp "$REPOSITORY"/LICENSE-{MIT,APACHE} "$BUILDROOT_OUTPUT/program/"
}

# buildroot_make BOARD: builds; what is made lies in BUILDROOT_OUTPUT/images.
buildroot_make() {
    local log=$BUILDROOT_OUTPUT/build.log
    say "Building $1 with Buildroot in $BUILDROOT_OUTPUT; build.log there tells how it goes"
    {
        buildroot_run "$BUILDROOT_OUTPUT" "$1_defconfig"
        # Built for another board, and of another gadget-manager, if at all.
        buildroot_run "$BUILDROOT_OUTPUT" uboot-dirclean gadget-manager-dirclean
        buildroot_run "$BUILDROOT_OUTPUT" all
    } >"$log" 2>&1 || die "Buildroot could not build the image of $1" "$(tail -n 20 "$log")" "All of it: $log"
}

# buildroot_papers FILE FOLDER: what is in it (show-info, JSON), and the licences with their texts (legal-info).
buildroot_papers() {
    buildroot_run "$BUILDROOT_OUTPUT" --silent show-info >"$1"
    buildroot_run "$BUILDROOT_OUTPUT" legal-info >"$BUILDROOT_OUTPUT/legal.log" 2>&1 ||
        die 'Buildroot could not gather the licences' "$(tail -n 10 "$BUILDROOT_OUTPUT/legal.log")"
    rm -rf "$2"
    cp -r "$BUILDROOT_OUTPUT/legal-info/licenses" "$2"
}
