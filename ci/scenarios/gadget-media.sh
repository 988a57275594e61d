# shellcheck shell=bash
# The gadget crate on a real kernel, what is in its drives: both sides of the cable are looked at by
# crates/gadget/examples/gadget-checks.

mkdir "$WORK/cd"
echo hello >"$WORK/cd/hello.txt"
# A CD has 300 sectors at least.
truncate -s 1M "$WORK/cd/zeroes"
xorriso -as mkisofs -quiet -o "$WORK/cd.iso" "$WORK/cd"

vm_start
stick_install_check gadget-checks
vm_put "$WORK/cd.iso" /tmp/cd.iso
stick modprobe -a sg loop isofs

for check in eight-luns cdrom swap locked host-eject refused stalled; do
    step "$check"
    stick env RUST_BACKTRACE=1 gadget-checks "$check"
done
