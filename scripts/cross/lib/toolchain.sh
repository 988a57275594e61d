# shellcheck shell=bash
# Which Rust compiles: the build folder's, or one of the machine's, which is then mounted into the folder. Everything else
# (C compiler, headers, libclang) is the folder's in any case.

# toolchain_choose debian|rustup|FOLDER: sets CROSS_RUST to the toolchain's folder, or "-" for the folder's own.
toolchain_choose() {
    case $1 in
    debian) CROSS_RUST=- ;;
    rustup)
        command -v rustc >/dev/null || die 'there is no Rust on this machine' 'Install rustup from https://rustup.rs, or leave out --toolchain.'
        CROSS_RUST=$(cd "$REPOSITORY" && rustc --print sysroot)
        ;;
    /*) CROSS_RUST=$1 ;;
    *) die "there is no toolchain $1" 'It is debian, rustup, or the absolute path of a toolchain (rustc --print sysroot).' ;;
    esac
    [[ $CROSS_RUST = - || -e $CROSS_RUST/bin/cargo ]] || die "there is no bin/cargo in $CROSS_RUST" 'It must be the folder that rustc --print sysroot names.'
    [[ $CROSS_RUST = - || -d $CROSS_RUST/lib/rustlib/$CROSS_TRIPLE/lib ]] || die "$CROSS_RUST has no standard library for the boards" \
        "Run: rustup target add $CROSS_TRIPLE"
}
