# shellcheck shell=bash
# Cargo in the build folder: where things are there, and with which settings.
#
# Everything has the same path on every machine (/build/source, /build/vendor, /build/target), which is half of what makes
# builds repeatable. No network there: the crates come from a copy that the machine's own cargo makes, by its own
# configuration (mirrors, proxies, credentials), none of which is needed or known inside.

CROSS_TRIPLE=armv7-unknown-linux-gnueabihf

# vendor_prepare: the crates of Cargo.lock, as a folder. Sets VENDOR.
vendor_prepare() {
    local key part lock
    exec {lock}>"$CROSS_TARGET/lock"
    flock "$lock"
    vendor_make
    exec {lock}>&-
}

vendor_make() {
    local key part
    key=$(sha256sum <"$REPOSITORY/Cargo.lock")
    VENDOR=$CROSS_TARGET/vendor-${key:0:16}
    [[ ! -e $VENDOR/complete ]] || return 0
    command -v cargo >/dev/null || die 'Rust is missing' 'Install rustup from https://rustup.rs. Its cargo fetches the crates.'
    part=$CROSS_TARGET/vendor.part
    rm -rf "$part"
    # What cargo has fetched before may do.
    vendor "$part" --offline 2>/dev/null || retry 3 vendor "$part" ||
        die 'the crates of Cargo.lock could not be fetched' 'cargo says above why. Check the network, then start again.'
    touch "$part/complete"
    rm -rf "$CROSS_TARGET"/vendor-*
    mv "$part" "$VENDOR"
}

vendor() {
    local folder=$1
    shift
    (cd "$REPOSITORY" && cargo vendor --quiet --locked --versioned-dirs "$@" "$folder" >/dev/null)
}

# cargo_settings: the environment in the folder, as words for env(1).
cargo_settings() {
    local triple=${CROSS_TRIPLE^^} path=/usr/sbin:/usr/bin:/sbin:/bin
    triple=${triple//-/_}
    [[ $CROSS_RUST = - ]] || path=/build/rust/bin:$path
    mkdir -p "$CROSS_TARGET/home"
    cat >"$CROSS_TARGET/home/config.toml" <<'TOML'
[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "/build/vendor"
TOML
    CROSS_ENVIRONMENT=(
        "PATH=$path" LC_ALL=C.UTF-8 TZ=UTC "TERM=${TERM:-dumb}"
        HOME=/build/target/home CARGO_HOME=/build/target/home CARGO_TARGET_DIR=/build/target
        CARGO_NET_OFFLINE=true CARGO_INCREMENTAL=0 "CARGO_BUILD_TARGET=$CROSS_TRIPLE"
        "CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}" "RUST_LIB_BACKTRACE=${RUST_LIB_BACKTRACE:-0}"
        "CARGO_TARGET_${triple}_LINKER=arm-linux-gnueabihf-gcc"
        # A Cortex-A8 is the oldest board: nothing newer than plain ARMv7 with VFP may be asked for. ring looks for NEON
        # when it runs.
        "CARGO_TARGET_${triple}_RUSTFLAGS=$(rust_flags)"
        "CARGO_TARGET_${triple}_RUNNER=qemu-arm"
        "CC_${CROSS_TRIPLE//-/_}=arm-linux-gnueabihf-gcc" "AR_${CROSS_TRIPLE//-/_}=arm-linux-gnueabihf-ar"
        "BINDGEN_EXTRA_CLANG_ARGS_${CROSS_TRIPLE//-/_}=--target=arm-linux-gnueabihf"
        # For the kernel's and U-Boot's make.
        CROSS_COMPILE=arm-linux-gnueabihf-
        # Nothing in a program may depend on when it was built; one that changed with each commit would have all C code
        # compiled anew.
        SOURCE_DATE_EPOCH=315532800
    )
}

rust_flags() {
    local flags=(
        # io-uring 0.7 knows the layouts of 64-bit processors only, unless bindgen makes them (it does here) and it is told.
        --cfg=io_uring_skip_arch_check
        # Shorter messages, and none of our folders in them.
        --remap-path-prefix=/build/source/= --remap-path-prefix=/build/vendor/=
    )
    printf '%s' "${flags[*]}"
}

# inside COMMAND...: runs it in the build folder, in the checkout.
inside() {
    as_root env -i "${CROSS_ENVIRONMENT[@]}" /usr/bin/unshare --mount --propagation private -- \
        "$CROSS/enter" "$FOLDER" "$(id -u):$(id -g)" "$REPOSITORY" "$CROSS_TARGET" "$VENDOR" "$CROSS_RUST" "$@"
}

# program_build PROFILE: gadget-manager. In a release its own code is made small, as Cargo.toml has it for other crates that no block
# of a disk goes through. The level of the program itself is the one with which all crates together are optimised in the end,
# those that are to be fast among them. Cargo.toml cannot tell the two apart, being of one package; and a package with a level
# of its own is not stripped unless that is said too.
program_build() {
    local words=(--locked --profile "$1" --package gadget-manager --bin gadget-manager --no-default-features)
    if [[ $1 = release ]]; then
        inside cargo rustc "${words[@]}" --config 'profile.release.package.gadget-manager.opt-level="s"' \
            -- -C opt-level=3 -C strip=symbols
    else
        inside cargo build "${words[@]}"
    fi
}

# verity_build PROFILE: verity-open, which runs before there are any libraries: linked statically, and as small as it gets.
verity_build() {
    local words=(--locked --profile "$1" --package verity --bin verity-open)
    inside cargo rustc "${words[@]}" -- -C target-feature=+crt-static -C opt-level=z -C strip=symbols
}

# inside_path FILE: where a file below the target folder is there.
inside_path() { printf '/build/target/%s\n' "${1#"$CROSS_TARGET"/}"; }
