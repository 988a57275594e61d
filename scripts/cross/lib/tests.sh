# shellcheck shell=bash
# Tests for the boards' processor, run by qemu-arm: those that need nothing but a kernel's ordinary system calls.

cross_tests() {
    # Libraries and programs of all crates but the tools of tests: no io_uring and no USB there (the ARM virtual TV has those).
    inside cargo test --locked --workspace --exclude testkit --no-default-features --no-fail-fast --lib --bins
}
